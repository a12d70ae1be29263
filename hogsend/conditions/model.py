"""The five shapes of a condition; frozen, and refused when they can never be meant.

The JSON form is in ``json_form``. ``&``, ``|`` and ``~`` combine; ``and``, ``or`` and ``not``
raise, because Python would silently drop one side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, Literal, NoReturn, TypeAlias

from hogsend.errors import InvalidInput
from hogsend.kernel.durations import require_positive
from hogsend.kernel.wire_json import JsonScalar

PropertyOperator: TypeAlias = Literal[
    "eq", "neq", "gt", "gte", "lt", "lte", "contains", "exists", "not_exists"
]
CountOperator: TypeAlias = Literal["gt", "gte", "lt", "lte", "eq"]
EventCheck: TypeAlias = Literal["exists", "not_exists", "count"]
EmailCheck: TypeAlias = Literal["opened", "clicked", "not_opened", "not_clicked"]
CompositeOperator: TypeAlias = Literal["and", "or"]

ORDERINGS: Final = ("gt", "gte", "lt", "lte")
# Deep enough for anything a person writes, shallow enough for every recursion that reads it.
MAX_DEPTH: Final = 20
_OPPOSITES: Final[dict[PropertyOperator, PropertyOperator]] = {
    "eq": "neq",
    "neq": "eq",
    "exists": "not_exists",
    "not_exists": "exists",
}


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""No value was given, which is not the same as null."""


class Condition:
    """A test of one person. Subclasses are the only kinds there are."""

    __slots__ = ()

    def __and__(self, other: Condition) -> Composite:
        return _combined("and", self, other)

    def __or__(self, other: Condition) -> Composite:
        return _combined("or", self, other)

    def __invert__(self) -> Condition:
        return Not(condition=self)

    def __bool__(self) -> NoReturn:
        refuse_truth()


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyCondition(Condition):
    """Compares one top-level key of a property bag; ``value`` is a scalar or absent."""

    property: str
    operator: PropertyOperator
    value: JsonScalar | _Missing = MISSING

    def __post_init__(self) -> None:
        if not self.property:
            raise InvalidInput("a property condition needs the name of a property")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise InvalidInput(f"property {self.property!r} cannot be compared with {self.value}")
        if self.operator in ORDERINGS and not is_number(self.value):
            raise InvalidInput(
                f"property {self.property!r} can only be ordered against a number",
                hint="dates and strings have no order here; compare them with == or contains()",
            )
        if self.operator == "contains" and not isinstance(self.value, str):
            raise InvalidInput(f"property {self.property!r} can only contain a string")

    def __invert__(self) -> Condition:
        # Exact complements, so the stored form stays one that older readers know.
        opposite = _OPPOSITES.get(self.operator)
        if opposite is None:
            return Not(condition=self)
        return PropertyCondition(property=self.property, operator=opposite, value=self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCondition(Condition):
    """Counts the person's events of one name, all of them or those ``within`` the last while.

    ``count`` without operator and value holds for more than zero.
    """

    event_name: str
    check: EventCheck
    operator: CountOperator | None = None
    value: int | None = None
    within: timedelta | None = None

    def __post_init__(self) -> None:
        if not self.event_name:
            raise InvalidInput("an event condition needs the name of an event")
        if (self.operator is None) != (self.value is None):
            raise InvalidInput(f"a count of {self.event_name!r} needs both operator and value")
        if self.operator is not None and self.check != "count":
            raise InvalidInput(f"check {self.check!r} of {self.event_name!r} takes no operator")
        if self.value is not None and (isinstance(self.value, bool) or self.value < 0):
            raise InvalidInput(f"a count of {self.event_name!r} must be zero or more")
        if self.within is not None:
            require_positive(self.within, what=f"within of {self.event_name!r}")

    def __invert__(self) -> Condition:
        if self.check == "count":
            return Not(condition=self)
        opposite: EventCheck = "not_exists" if self.check == "exists" else "exists"
        return EventCondition(event_name=self.event_name, check=opposite, within=self.within)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailCondition(Condition):
    """Looks at the newest send of one template; false for all four checks when there is none."""

    template_key: str
    check: EmailCheck

    def __post_init__(self) -> None:
        if not self.template_key:
            raise InvalidInput("an email condition needs the key of a template")


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite(Condition):
    """All (``and``) or any (``or``) of at least one condition, judged in order."""

    operator: CompositeOperator
    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        if not self.conditions:
            raise InvalidInput(f"an {self.operator!r} of no conditions says nothing")
        _require_shallow(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Condition):
    """The opposite of one condition."""

    condition: Condition

    def __post_init__(self) -> None:
        _require_shallow(self)

    def __invert__(self) -> Condition:
        return self.condition


def is_number(value: object) -> bool:
    """True for int and float, false for bool: a flag is not a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def leaves(condition: Condition) -> Iterator[Condition]:
    """Every property, event and email condition inside, left to right."""
    if isinstance(condition, Composite):
        for part in condition.conditions:
            yield from leaves(part)
    elif isinstance(condition, Not):
        yield from leaves(condition.condition)
    else:
        yield condition


def refuse_truth() -> NoReturn:
    """Raise for ``and``, ``or``, ``not`` and chained comparisons, which drop half of the test."""
    raise TypeError(
        "a condition has no truth value: combine with &, | and ~ (in parentheses), "
        "and write (prop('x') > 1) & (prop('x') < 5) for a range"
    )


def _combined(operator: CompositeOperator, left: Condition, right: Condition) -> Composite:
    if not isinstance(right, Condition):
        raise TypeError(f"cannot combine a condition with {type(right).__name__}")
    parts: list[Condition] = []
    for side in (left, right):
        if isinstance(side, Composite) and side.operator == operator:
            parts.extend(side.conditions)
        else:
            parts.append(side)
    return Composite(operator=operator, conditions=tuple(parts))


def _depth(condition: Condition) -> int:
    if isinstance(condition, Composite):
        return 1 + max(_depth(part) for part in condition.conditions)
    return 1 + _depth(condition.condition) if isinstance(condition, Not) else 1


def _require_shallow(condition: Condition) -> None:
    # Parts were checked when they were made, so this never recurses far.
    if _depth(condition) > MAX_DEPTH:
        raise InvalidInput(f"conditions may be nested {MAX_DEPTH} deep at most")
