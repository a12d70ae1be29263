"""Conditions as SQL: a boolean expression and its parameters.

The only place where SQL is put together. What varies with the condition travels as parameters, so
equal shapes give equal texts, which the driver keeps prepared; the names in a ``Scope`` are ours.
Every expression is true or false, never NULL, so that it can be negated. It agrees with
``evaluate`` and with ``hogsend.matches_v1``; a property test compares the three.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from hogsend.conditions.model import (
    MISSING,
    Composite,
    Condition,
    CountOperator,
    EmailCondition,
    EventCondition,
    Not,
    PropertyCondition,
)
from hogsend.kernel.wire_json import dumps

_SIGNS: Final[dict[CountOperator, str]] = {
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "eq": "=",
}
_LARGEST_LIMIT: Final = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where the person is found in the statement around the expression; SQL written by us.

    ``events`` and ``sends`` select the person's rows of ``user_events e`` and ``email_sends m``.
    """

    properties: str
    events: str
    sends: str


CONTACT: Final = Scope(
    properties="k.properties", events="e.contact_id = k.id", sends="m.contact_id = k.id"
)
"""For statements over ``contacts k``, one person or all of them."""

ORPHAN: Final = Scope(
    properties="'{}'::jsonb",
    events="e.contact_id IS NULL AND e.user_id = CAST(:user_id AS text)",
    sends="m.contact_id IS NULL AND m.user_id = CAST(:user_id AS text)",
)
"""For somebody without a contact row; the statement needs the parameter ``user_id``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledCondition:
    """``sql`` holds ``:c0``, ``:c1`` … whose values are in ``params``."""

    sql: str
    params: dict[str, object]


def compile_condition(
    conditions: Condition | Iterable[Condition],
    *,
    scope: Scope = CONTACT,
    now: datetime,
    prefix: str = "c",
) -> CompiledCondition:
    """An expression in parentheses that is true when every condition holds.

    ``now`` is what ``within`` looks back from. ``prefix`` keeps the parameters of two expressions
    in one statement apart.
    """
    compiler = _Compiler(scope=scope, now=now, prefix=prefix)
    parts = [conditions] if isinstance(conditions, Condition) else list(conditions)
    sql = " AND ".join(compiler.expression(part) for part in parts) or "true"
    return CompiledCondition(sql=f"({sql})", params=compiler.params)


@dataclass(slots=True, kw_only=True)
class _Compiler:
    scope: Scope
    now: datetime
    prefix: str
    params: dict[str, object] = field(default_factory=dict)

    def expression(self, condition: Condition) -> str:
        match condition:
            case PropertyCondition():
                return self._property(condition)
            case EventCondition():
                return self._event(condition)
            case EmailCondition():
                return self._email(condition)
            case Composite():
                word = f" {condition.operator.upper()} "
                return f"({word.join(self.expression(part) for part in condition.conditions)})"
            case Not():
                return f"(NOT {self.expression(condition.condition)})"
        raise TypeError(f"{type(condition).__name__} is no kind of condition")

    def _property(self, condition: PropertyCondition) -> str:
        bag = self.scope.properties
        match condition.operator:
            case "eq":
                return self._equal(condition)
            case "neq":
                return f"(NOT {self._equal(condition)})"
            case "exists":
                return f"coalesce(jsonb_typeof({self._value(condition)}) <> 'null', false)"
            case "not_exists":
                return f"coalesce(jsonb_typeof({self._value(condition)}) = 'null', true)"
            case "contains":
                name = self._text(condition.property)
                return (
                    f"coalesce(jsonb_typeof({bag} -> {name}) = 'string'"
                    f" AND strpos({bag} ->> {name}, {self._text(condition.value)}) > 0, false)"
                )
            case "gt" | "gte" | "lt" | "lte":
                value = self._value(condition)
                sign = _SIGNS[condition.operator]
                wanted = self._json(condition.value)
                # CASE, because AND promises no order and jsonb would order strings as well.
                return (
                    f"(CASE WHEN jsonb_typeof({value}) = 'number'"
                    f" THEN {value} {sign} {wanted} ELSE false END)"
                )

    def _equal(self, condition: PropertyCondition) -> str:
        if condition.value is MISSING:
            return f"({self._value(condition)} IS NULL)"
        # Containment compares by value and type, and the index over the bag answers it.
        wanted = self._json({condition.property: condition.value})
        return f"({self.scope.properties} @> {wanted})"

    def _value(self, condition: PropertyCondition) -> str:
        return f"({self.scope.properties} -> {self._text(condition.property)})"

    def _event(self, condition: EventCondition) -> str:
        rows = f"FROM user_events e WHERE {self.scope.events} AND e.event = "
        rows += self._text(condition.event_name)
        if condition.within is not None:
            since = self._param(self.now - condition.within, "timestamptz")
            rows += f" AND e.occurred_at >= {since}"
        if condition.check == "not_exists":
            return f"(NOT EXISTS (SELECT 1 {rows}))"
        if condition.check == "exists" or condition.operator is None or condition.value is None:
            return f"EXISTS (SELECT 1 {rows})"
        # One row more than the number is enough to know: a busy person is not counted out.
        limit = self._param(min(condition.value + 1, _LARGEST_LIMIT), "bigint")
        wanted = self._param(condition.value, "numeric")
        counted = f"(SELECT count(*) FROM (SELECT 1 {rows} LIMIT {limit}) n)"  # noqa: S608  (placeholders)
        return f"({counted} {_SIGNS[condition.operator]} {wanted})"

    def _email(self, condition: EmailCondition) -> str:
        column = "opened_at" if condition.check in ("opened", "not_opened") else "clicked_at"
        test = "IS NULL" if condition.check.startswith("not_") else "IS NOT NULL"
        # What never left us (suppressed, failed, queued) is no send to judge.
        rows = f"FROM email_sends m WHERE {self.scope.sends} AND m.template_key = "
        rows += f"{self._text(condition.template_key)} AND m.sent_at IS NOT NULL"
        newest = f"{rows} ORDER BY m.created_at DESC, m.id DESC LIMIT 1"
        return f"coalesce((SELECT m.{column} {test} {newest}), false)"

    def _text(self, value: object) -> str:
        return self._param(value, "text")

    def _json(self, value: object) -> str:
        return self._param(dumps(value), "jsonb")

    def _param(self, value: object, kind: str) -> str:
        name = f"{self.prefix}{len(self.params)}"
        self.params[name] = value
        return f"CAST(:{name} AS {kind})"
