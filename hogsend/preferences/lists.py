"""Lists: what a person can subscribe to. Definitions only, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hogsend.errors import ConfigError, NotFound

Kind = Literal["topic", "channel"]

# Categories the engine uses itself; a list must not shadow them.
RESERVED = frozenset({"transactional", "journey", "in_app"})
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDefinition:
    """A list. ``default_opt_in``: what holds for people who never answered.

    ``double_opt_in``: joining takes effect when the person follows the link in a mail.
    Topics are kinds of mail; channels are ways to reach somebody (``in_app``, ``sms``) and can be
    neither the category of a mail nor the audience of a campaign.
    """

    id: str
    name: str
    description: str | None = None
    default_opt_in: bool = True
    enabled: bool = True
    double_opt_in: bool = False
    kind: Kind = "topic"

    def is_subscribed(self, categories: Mapping[str, bool]) -> bool:
        """Whether somebody with these explicit answers gets it."""
        return categories.get(self.id, self.default_opt_in)


def define_list(
    id: str,
    *,
    name: str,
    description: str | None = None,
    default_opt_in: bool = True,
    enabled: bool = True,
    double_opt_in: bool = False,
) -> ListDefinition:
    """A checked topic list; raises ConfigError."""
    found = ListDefinition(
        id=id,
        name=name,
        description=description,
        default_opt_in=default_opt_in,
        enabled=enabled,
        double_opt_in=double_opt_in,
    )
    problems = problems_of(found)
    if problems:
        raise ConfigError(f"list {id!r}: {'; '.join(problems)}")
    return found


def problems_of(found: ListDefinition) -> list[str]:
    """Everything that is wrong with a topic list; values come from content and may be anything."""
    values: Any = found
    problems = []
    if not isinstance(values.id, str) or _ID.fullmatch(values.id) is None:
        problems.append("the id must be 1 to 64 letters, digits, hyphens or underscores")
    elif values.id.lower() in RESERVED:
        problems.append(f"the id is reserved, like {', '.join(sorted(RESERVED))}")
    if not isinstance(values.name, str) or not values.name.strip():
        problems.append("name must be a text that is not empty")
    if not isinstance(values.description, str | None):
        problems.append("description must be a text")
    problems += [
        f"{name} must be True or False"
        for name in ("default_opt_in", "enabled", "double_opt_in")
        if not isinstance(getattr(values, name), bool)
    ]
    if values.double_opt_in is True and values.default_opt_in is True:
        problems.append("double_opt_in needs default_opt_in=False")
    return problems


IN_APP = ListDefinition(id="in_app", name="In-app feed", kind="channel")
SMS = ListDefinition(id="sms", name="Text messages", default_opt_in=False, kind="channel")


def default_answers(topics: Iterable[ListDefinition]) -> dict[str, bool]:
    """What holds for people who never answered, for every category a mail or question can name."""
    known = dict.fromkeys(RESERVED, True)
    return known | {found.id: found.default_opt_in for found in (IN_APP, SMS, *topics)}


class ListRegistry:
    """The lists that exist here: topics chosen by ``ENABLED_LISTS``, and every channel."""

    def __init__(
        self,
        topics: Iterable[ListDefinition],
        *,
        enabled: Iterable[str] | None = None,
        channels: Iterable[ListDefinition] = (IN_APP,),
    ) -> None:
        chosen = None if enabled is None else frozenset(enabled)
        self._lists: dict[str, ListDefinition] = {}
        for found in channels:
            self._add(found)
        for found in topics:
            if found.enabled and (chosen is None or found.id in chosen):
                self._add(found)

    def _add(self, found: ListDefinition) -> None:
        if found.id in self._lists:
            raise ConfigError(
                f"The list {found.id!r} is declared twice", hint="give one of them another id"
            )
        self._lists[found.id] = found

    def all(self) -> list[ListDefinition]:
        """Every list, topics first, each kind in order of declaration."""
        return sorted(self._lists.values(), key=lambda found: found.kind != "topic")

    def find(self, list_id: str) -> ListDefinition | None:
        """The list with this id, or None."""
        return self._lists.get(list_id)

    def get(self, list_id: str) -> ListDefinition:
        """The list with this id; raises NotFound ``Unknown list: <id>``."""
        found = self._lists.get(list_id)
        if found is None:
            raise NotFound(f"Unknown list: {list_id}", code="unknown_list")
        return found

    def is_opt_in(self, category: str | None) -> bool:
        """True when a mail of this category needs an explicit yes."""
        found = None if category is None else self._lists.get(category)
        return found is not None and not found.default_opt_in
