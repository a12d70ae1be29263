"""How a setting is declared: once, as a field of the settings class."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

from hogsend.settings.kinds import Kind

Mode = Literal["api", "worker", "migrate", "supervisor", "cli"]
MODES: tuple[Mode, ...] = ("api", "worker", "migrate", "supervisor", "cli")
SERVERS: tuple[Mode, ...] = ("api", "worker", "supervisor")

T = TypeVar("T")
D = TypeVar("D")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything known about one variable.

    ``modes`` are those that use it: an invalid value stops only them, the others take the
    default. ``lenient`` values never stop anything: a bad one gives the default and a warning.
    """

    name: str
    aliases: tuple[str, ...]
    kind: Kind[Any]
    default: Any
    doc: str
    group: str
    modes: tuple[Mode, ...]
    required: tuple[Mode, ...]
    is_secret: bool
    is_lenient: bool
    is_planned: bool
    attribute: str = ""

    @property
    def file_name(self) -> str | None:
        """The variable that names a file with the value; secrets only."""
        return f"{self.name}_FILE" if self.is_secret else None


def setting(
    name: str,
    kind: Kind[T],
    default: D,
    doc: str,
    *,
    aliases: tuple[str, ...] = (),
    group: str,
    modes: tuple[Mode, ...] = SERVERS,
    required: tuple[Mode, ...] = (),
    secret: bool = False,
    lenient: bool = False,
    planned: bool = False,
) -> T | D:
    """Declare a field of a settings class; its type is what the kind gives, or the default's."""
    declared = Setting(
        name=name,
        aliases=aliases,
        kind=kind,
        default=default,
        doc=doc,
        group=group,
        modes=modes,
        required=required,
        is_secret=secret,
        is_lenient=lenient,
        is_planned=planned,
    )
    field: Any = dataclasses.field(default=default, repr=not secret, metadata={"setting": declared})
    return field  # type: ignore[no-any-return]  # a Field stands where its value will be


def settings_of(cls: type[Any]) -> Iterator[Setting]:
    """The declared settings of a settings class, in declaration order."""
    for field in dataclasses.fields(cls):
        declared = field.metadata.get("setting")
        if declared is not None:
            yield dataclasses.replace(declared, attribute=field.name)


def attribute_of(name: str) -> str:
    """``HOGSEND_TEST_MODE`` is read as ``settings.test_mode``."""
    return name.removeprefix("HOGSEND_").lower()
