"""Categories of mail, checked before the first mail: an unknown one would count as allowed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import structlog

from hogsend.email.templates.models import TemplateDefinition
from hogsend.errors import ConfigError

# topic and builtin may be used; disabled_* are lists that ENABLED_LISTS leaves out.
CategoryKind = Literal[
    "builtin", "topic", "channel", "disabled_opt_in", "disabled_opt_out", "unknown"
]
_REFUSED = {
    "channel": "is a channel, not a kind of mail",
    "disabled_opt_in": "is a list people must join and ENABLED_LISTS leaves it out",
    "unknown": "is neither built in nor a list of the app",
}


class CategoryBook:
    """Sorts categories; ``builtin`` and the lists of the content are sets of ids."""

    def __init__(
        self,
        *,
        builtin: Iterable[str],
        topics: Iterable[str],
        channels: Iterable[str],
        disabled: Iterable[tuple[str, bool]] = (),
    ) -> None:
        self._kinds: dict[str, CategoryKind] = {}
        for name, is_opt_in in disabled:
            self._kinds[name] = "disabled_opt_in" if is_opt_in else "disabled_opt_out"
        self._kinds.update(dict.fromkeys(channels, "channel"))
        self._kinds.update(dict.fromkeys(topics, "topic"))
        self._kinds.update(dict.fromkeys(builtin, "builtin"))

    def kind_of(self, category: str) -> CategoryKind:
        """What a category is here."""
        return self._kinds.get(category, "unknown")


def check_categories(
    templates: Iterable[TemplateDefinition],
    book: CategoryBook,
    *,
    journeys: Iterable[tuple[str, str | None]] = (),
) -> None:
    """Raises ConfigError naming every template and journey whose category must not be used.

    ``journeys`` are ids with the category of their mail. A list that ENABLED_LISTS leaves out and
    nobody had to join is only warned about; from one that people must join, everybody would get
    mail.
    """
    uses = [
        *(("template", template.key, template.category) for template in templates),
        *(("journey", journey_id, category) for journey_id, category in journeys),
    ]
    problems: list[str] = []
    for what, name, category in uses:
        kind = "builtin" if category is None else book.kind_of(category)
        if kind == "disabled_opt_out":
            structlog.get_logger().warning(
                "content.category_disabled", **{what: name}, category=category
            )
        elif kind in _REFUSED:
            problems.append(f"{what} {name}: {category!r} {_REFUSED[kind]}")
    if problems:
        raise ConfigError(
            f"the content has categories that do not exist here: {'; '.join(problems)}",
            hint="declare the list with app.list(...), or correct the category",
        )
