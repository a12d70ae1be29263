"""The words authors write: ``prop``, ``event``, ``mail`` and ``on``.

They build data once, at import; nothing here is called per person. Comparisons return conditions,
so ``==`` on these objects is not equality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

from hogsend.conditions.model import (
    Composite,
    Condition,
    CountOperator,
    EmailCheck,
    EmailCondition,
    EventCondition,
    PropertyCondition,
    refuse_truth,
)
from hogsend.conditions.pattern import EventPattern, on
from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonScalar

__all__ = ["EventPattern", "event", "mail", "on", "prop"]


class Property:
    """One property of the bag at hand; compare it to get a condition."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The key in the bag."""
        return self._name

    def __eq__(self, value: JsonScalar) -> PropertyCondition:  # type: ignore[override]  # builds data
        """Equal and of the same type; a missing property is not null."""
        return PropertyCondition(property=self._name, operator="eq", value=_scalar(value))

    def __ne__(self, value: JsonScalar) -> PropertyCondition:  # type: ignore[override]  # builds data
        """The opposite of ``==``; holds for a missing property."""
        return PropertyCondition(property=self._name, operator="neq", value=_scalar(value))

    __hash__ = None  # type: ignore[assignment]  # == builds a condition, so sets would misbehave

    def __gt__(self, value: int | float) -> PropertyCondition:
        return PropertyCondition(property=self._name, operator="gt", value=_scalar(value))

    def __ge__(self, value: int | float) -> PropertyCondition:
        return PropertyCondition(property=self._name, operator="gte", value=_scalar(value))

    def __lt__(self, value: int | float) -> PropertyCondition:
        return PropertyCondition(property=self._name, operator="lt", value=_scalar(value))

    def __le__(self, value: int | float) -> PropertyCondition:
        return PropertyCondition(property=self._name, operator="lte", value=_scalar(value))

    def contains(self, text: str) -> PropertyCondition:
        """A string that has ``text`` in it, in the same case."""
        return PropertyCondition(property=self._name, operator="contains", value=_scalar(text))

    def exists(self) -> PropertyCondition:
        """Present and not null."""
        return PropertyCondition(property=self._name, operator="exists")

    def not_exists(self) -> PropertyCondition:
        """Missing or null."""
        return PropertyCondition(property=self._name, operator="not_exists")

    def is_in(self, *values: JsonScalar) -> Condition:
        """Equal to one of the values."""
        if not values or any(isinstance(value, list | tuple | set) for value in values):
            raise InvalidInput(f"prop({self._name!r}).is_in() takes the values as arguments")
        parts = tuple(self == value for value in values)
        return parts[0] if len(parts) == 1 else Composite(operator="or", conditions=parts)

    def __bool__(self) -> NoReturn:
        refuse_truth()


@dataclass(frozen=True, slots=True)
class Happenings:
    """The person's events of one name."""

    event_name: str
    window: timedelta | None = None

    def within(self, window: timedelta) -> Happenings:
        """Only those of the last ``window``."""
        return Happenings(self.event_name, window)

    def exists(self) -> EventCondition:
        """At least one."""
        return EventCondition(event_name=self.event_name, check="exists", within=self.window)

    def not_exists(self) -> EventCondition:
        """None at all."""
        return EventCondition(event_name=self.event_name, check="not_exists", within=self.window)

    def count(self) -> Count:
        """How many; compare it to get a condition."""
        return Count(self)

    def __bool__(self) -> NoReturn:
        refuse_truth()


class Count:
    """A number of events; compare it to get a condition."""

    __slots__ = ("_happenings",)

    def __init__(self, happenings: Happenings) -> None:
        self._happenings = happenings

    def __eq__(self, value: int) -> EventCondition:  # type: ignore[override]  # builds data
        return self._compared("eq", value)

    def __ne__(self, value: int) -> Condition:  # type: ignore[override]  # builds data
        return ~self._compared("eq", value)

    __hash__ = None  # type: ignore[assignment]  # == builds a condition, so sets would misbehave

    def __gt__(self, value: int) -> EventCondition:
        return self._compared("gt", value)

    def __ge__(self, value: int) -> EventCondition:
        return self._compared("gte", value)

    def __lt__(self, value: int) -> EventCondition:
        return self._compared("lt", value)

    def __le__(self, value: int) -> EventCondition:
        return self._compared("lte", value)

    def _compared(self, operator: CountOperator, value: int) -> EventCondition:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput("a count is compared with a whole number")
        return EventCondition(
            event_name=self._happenings.event_name,
            check="count",
            operator=operator,
            value=value,
            within=self._happenings.window,
        )

    def __bool__(self) -> NoReturn:
        refuse_truth()


@dataclass(frozen=True, slots=True)
class Mailing:
    """The newest send of one template; every check is false when there was none."""

    template_key: str

    def opened(self) -> EmailCondition:
        """It was opened."""
        return self._checked("opened")

    def clicked(self) -> EmailCondition:
        """A link in it was clicked."""
        return self._checked("clicked")

    def not_opened(self) -> EmailCondition:
        """It was sent and not opened."""
        return self._checked("not_opened")

    def not_clicked(self) -> EmailCondition:
        """It was sent and no link in it was clicked."""
        return self._checked("not_clicked")

    def _checked(self, check: EmailCheck) -> EmailCondition:
        return EmailCondition(template_key=self.template_key, check=check)

    def __bool__(self) -> NoReturn:
        refuse_truth()


def prop(name: str) -> Property:
    """A property, by its exact top-level key (no dotted path)."""
    return Property(_name("prop", name))


def event(name: str) -> Happenings:
    """What the person did before: events of that exact name."""
    return Happenings(_name("event", name))


def mail(template_key: str) -> Mailing:
    """What the person did with the newest send of a template."""
    return Mailing(_name("mail", template_key))


def _name(function: str, name: str) -> str:
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"{function}() needs a name")
    return name


def _scalar(value: object) -> JsonScalar:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    hint = "use is_in(a, b, c)" if isinstance(value, Sequence) else None
    raise InvalidInput(
        f"a property is compared with a scalar, not {type(value).__name__}", hint=hint
    )
