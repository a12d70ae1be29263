"""Judges conditions in memory, exactly as ``hogsend.matches_v1`` does in the database.

Typed and without coercion: ``True`` is not 1, ``"1"`` is not 1, missing is not null, and only
numbers have an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from hogsend.conditions.model import (
    MISSING,
    Composite,
    Condition,
    CountOperator,
    EmailCondition,
    EventCondition,
    Not,
    PropertyCondition,
    PropertyOperator,
    is_number,
)
from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFacts:
    """What became of the newest send of a template."""

    is_opened: bool
    is_clicked: bool


class History(Protocol):
    """What a person did, for conditions that look beyond a property bag."""

    def count_events(self, event_name: str, within: timedelta | None) -> int:
        """Events of that name, all of them or those of the last ``within``."""
        ...

    def find_send(self, template_key: str) -> SendFacts | None:
        """The newest send of that template, None when there was none."""
        ...


def evaluate(
    conditions: Condition | Iterable[Condition],
    properties: Mapping[str, JsonValue],
    *,
    history: History | None = None,
) -> bool:
    """True when every condition holds for the property bag; an empty list holds.

    Raises InvalidInput when an event or email condition is met and ``history`` is None.
    """
    if isinstance(conditions, Condition):
        return _holds(conditions, properties, history)
    return all(_holds(condition, properties, history) for condition in conditions)


def _holds(
    condition: Condition, properties: Mapping[str, JsonValue], history: History | None
) -> bool:
    match condition:
        case PropertyCondition():
            actual = properties.get(condition.property, MISSING)
            return _compare(condition.operator, actual, condition.value)
        case Composite(operator="and"):
            return all(_holds(part, properties, history) for part in condition.conditions)
        case Composite():
            return any(_holds(part, properties, history) for part in condition.conditions)
        case Not():
            return not _holds(condition.condition, properties, history)
        case EventCondition():
            return _count_holds(condition, _required(history))
        case EmailCondition():
            return _send_holds(condition, _required(history))
    raise TypeError(f"{type(condition).__name__} is no kind of condition")


def _compare(operator: PropertyOperator, actual: object, wanted: object) -> bool:
    match operator:
        case "eq":
            return _equal(actual, wanted)
        case "neq":
            return not _equal(actual, wanted)
        case "exists":
            return actual is not MISSING and actual is not None
        case "not_exists":
            return actual is MISSING or actual is None
        case "contains":
            return isinstance(actual, str) and isinstance(wanted, str) and wanted in actual
        case "gt" | "gte" | "lt" | "lte":
            if not is_number(actual) or not is_number(wanted):
                return False
            return _ordered(operator, *_comparable(actual, wanted))


def _equal(actual: object, wanted: object) -> bool:
    if is_number(actual) and is_number(wanted):
        left, right = _comparable(actual, wanted)
        return bool(left == right)
    if isinstance(actual, str | bool) or actual is None:
        # bool before int: True == 1 in Python, never here
        return type(actual) is type(wanted) and actual == wanted
    return actual is wanted is MISSING


def _comparable(left: object, right: object) -> tuple[Decimal | float, Decimal | float]:
    """Two numbers by the value of their JSON text: 1e23 equals 10**23, as it does in jsonb.

    Python compares the exact binary value of a float with an int, the database what was written.
    """
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    if type(left) is type(right):
        return left, right
    return _decimal(left), _decimal(right)


def _decimal(number: int | float) -> Decimal:
    return Decimal(number) if isinstance(number, int) else Decimal(repr(number))


def _ordered(operator: CountOperator, left: Decimal | float, right: Decimal | float) -> bool:
    match operator:
        case "gt":
            return left > right
        case "gte":
            return left >= right
        case "lt":
            return left < right
        case "lte":
            return left <= right
        case "eq":
            return left == right


def _count_holds(condition: EventCondition, history: History) -> bool:
    count = history.count_events(condition.event_name, condition.within)
    if condition.check == "not_exists":
        return count == 0
    if condition.check == "exists" or condition.operator is None or condition.value is None:
        return count > 0
    return _ordered(condition.operator, count, condition.value)


def _send_holds(condition: EmailCondition, history: History) -> bool:
    send = history.find_send(condition.template_key)
    if send is None:
        return False
    match condition.check:
        case "opened":
            return send.is_opened
        case "not_opened":
            return not send.is_opened
        case "clicked":
            return send.is_clicked
        case "not_clicked":
            return not send.is_clicked


def _required(history: History | None) -> History:
    if history is None:
        raise InvalidInput(
            "an event or email condition needs the history of a person",
            hint="triggers, exits and waits take property conditions only",
        )
    return history
