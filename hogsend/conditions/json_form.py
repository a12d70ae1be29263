"""Conditions as JSON, in the field names of the public API.

Reading is strict: an unknown key, type or operator raises InvalidInput whose message starts with
the path of the offending part, such as ``$.conditions[1].value``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_args

from hogsend.conditions.model import (
    MAX_DEPTH,
    MISSING,
    Composite,
    CompositeOperator,
    Condition,
    CountOperator,
    EmailCheck,
    EmailCondition,
    EventCheck,
    EventCondition,
    Not,
    PropertyCondition,
    PropertyOperator,
)
from hogsend.errors import InvalidInput
from hogsend.kernel import durations
from hogsend.kernel.wire_json import JsonObject, JsonValue

_SCALARS = (str, int, float, bool, type(None))
# Above this, JavaScript writes an integral number with an exponent.
_PLAIN_INTEGER: Final = 10**21


def to_json(condition: Condition) -> JsonObject:
    """The stored form; reading it back gives an equal condition."""
    match condition:
        case PropertyCondition():
            stored: JsonObject = {
                "type": "property",
                "property": condition.property,
                "operator": condition.operator,
            }
            if condition.value is not MISSING:
                stored["value"] = _plain(condition.value)
            return stored
        case EventCondition():
            stored = {"type": "event", "eventName": condition.event_name, "check": condition.check}
            if condition.operator is not None:
                stored["operator"] = condition.operator
                stored["value"] = condition.value
            if condition.within is not None:
                stored["within"] = {**durations.to_wire(condition.within)}
            return stored
        case EmailCondition():
            return {
                "type": "email_engagement",
                "templateKey": condition.template_key,
                "check": condition.check,
            }
        case Composite():
            return {
                "type": "composite",
                "operator": condition.operator,
                "conditions": [to_json(part) for part in condition.conditions],
            }
        case Not():
            return {"type": "not", "condition": to_json(condition.condition)}
    raise TypeError(f"{type(condition).__name__} is no kind of condition")


def from_json(value: object) -> Condition:
    """Read one condition; raises InvalidInput for anything that is not exactly one."""
    return _read(value, "$", 1)


def list_from_json(value: object) -> tuple[Condition, ...]:
    """Read a list of conditions, such as the ``where`` of a trigger (all must hold)."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise _wrong("$", "must be a list of conditions")
    return tuple(_read(part, f"$[{index}]", 1) for index, part in enumerate(value))


def _read(value: object, path: str, depth: int) -> Condition:
    if depth > MAX_DEPTH:
        raise _wrong(path, f"is nested more than {MAX_DEPTH} deep")
    if not isinstance(value, Mapping):
        raise _wrong(path, "must be an object")
    kind = value.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise _wrong(f"{path}.type", f"must be one of {', '.join(_READERS)}")
    try:
        return reader(value, path, depth)
    except InvalidInput as error:
        if error.message.startswith("$"):
            raise
        raise InvalidInput(f"{path}: {error.message}", hint=error.hint) from error


def _read_property(value: Mapping[str, Any], path: str, depth: int) -> Condition:
    _only(value, path, "property", "operator", "value")
    operator: PropertyOperator = _one_of(value, path, "operator", get_args(PropertyOperator))
    wanted = value.get("value", MISSING)
    if operator in ("exists", "not_exists"):
        wanted = MISSING  # clients of the reference send a value here, and it never mattered
    elif wanted is not MISSING and not isinstance(wanted, _SCALARS):
        raise _wrong(f"{path}.value", "must be a string, number, boolean or null")
    return PropertyCondition(
        property=_text(value, path, "property"), operator=operator, value=wanted
    )


def _read_event(value: Mapping[str, Any], path: str, depth: int) -> Condition:
    _only(value, path, "eventName", "check", "operator", "value", "within")
    check: EventCheck = _one_of(value, path, "check", get_args(EventCheck))
    operator: CountOperator | None = None
    count: int | None = None
    if value.get("operator") is not None:
        operator = _one_of(value, path, "operator", get_args(CountOperator))
    if value.get("value") is not None:
        count = _whole(value["value"], f"{path}.value")
    within = None
    if value.get("within") is not None:
        if not isinstance(value["within"], Mapping) or not value["within"]:
            raise _wrong(f"{path}.within", "must be an object with hours, minutes or seconds")
        within = durations.from_wire(value["within"])
    return EventCondition(
        event_name=_text(value, path, "eventName"),
        check=check,
        operator=operator,
        value=count,
        within=within,
    )


def _read_email(value: Mapping[str, Any], path: str, depth: int) -> Condition:
    _only(value, path, "templateKey", "check")
    check: EmailCheck = _one_of(value, path, "check", get_args(EmailCheck))
    return EmailCondition(template_key=_text(value, path, "templateKey"), check=check)


def _read_composite(value: Mapping[str, Any], path: str, depth: int) -> Condition:
    _only(value, path, "operator", "conditions")
    operator: CompositeOperator = _one_of(value, path, "operator", get_args(CompositeOperator))
    parts = value.get("conditions")
    if not isinstance(parts, Sequence) or isinstance(parts, str | bytes):
        raise _wrong(f"{path}.conditions", "must be a list")
    return Composite(
        operator=operator,
        conditions=tuple(
            _read(part, f"{path}.conditions[{index}]", depth + 1)
            for index, part in enumerate(parts)
        ),
    )


def _read_not(value: Mapping[str, Any], path: str, depth: int) -> Condition:
    _only(value, path, "condition")
    return Not(condition=_read(value.get("condition"), f"{path}.condition", depth + 1))


_READERS: Final[dict[str, Callable[[Mapping[str, Any], str, int], Condition]]] = {
    "property": _read_property,
    "event": _read_event,
    "email_engagement": _read_email,
    "composite": _read_composite,
    "not": _read_not,
}


def _only(value: Mapping[str, Any], path: str, *allowed: str) -> None:
    unknown = sorted(set(value) - {"type", *allowed})
    if unknown:
        raise _wrong(path, f"has unknown keys: {', '.join(unknown)}")


def _text(value: Mapping[str, Any], path: str, key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text:
        raise _wrong(f"{path}.{key}", "must be a non-empty string")
    return text


def _one_of(value: Mapping[str, Any], path: str, key: str, allowed: tuple[str, ...]) -> Any:
    chosen = value.get(key)
    if not isinstance(chosen, str) or chosen not in allowed:
        raise _wrong(f"{path}.{key}", f"must be one of {', '.join(allowed)}")
    return chosen


def _whole(value: object, path: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(path, "must be a whole number")
    return value


def _plain(value: JsonValue) -> JsonValue:
    # Hashes over this form must not tell 1.0 from 1: JSON written by JavaScript cannot.
    if isinstance(value, float) and value.is_integer() and abs(value) < _PLAIN_INTEGER:
        return int(value)
    return value


def _wrong(path: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{path} {problem}")
