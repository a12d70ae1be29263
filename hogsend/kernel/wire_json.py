"""JSON as it travels: one codec for requests, answers, jsonb parameters and hashes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TypeAlias

from pydantic_core import from_json, to_json

JsonScalar: TypeAlias = str | int | float | bool | None
JsonValue: TypeAlias = "JsonScalar | list[JsonValue] | dict[str, JsonValue]"
JsonObject: TypeAlias = dict[str, JsonValue]


def dumps(value: object) -> str:
    """Compact JSON text; datetimes become ISO-8601, UUIDs strings. NaN raises ValueError."""
    data = to_json(value, inf_nan_mode="constants")
    if b"NaN" in data or b"Infinity" in data:  # perhaps within a string: the parser knows
        from_json(data, allow_inf_nan=False)
    return data.decode()


def dump_bytes(value: object) -> bytes:
    """Compact JSON as UTF-8 bytes; NaN and infinity become null."""
    return to_json(value)


def loads(data: str | bytes) -> JsonValue:
    """Parse JSON; raises ValueError on bad syntax, NaN, lone surrogates or deep nesting."""
    parsed: JsonValue = from_json(data, allow_inf_nan=False)
    return parsed


def stable_stringify(value: object) -> str:
    """Keys sorted at every depth, no white space, non-ASCII kept: input to hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def iso_z(instant: datetime) -> str:
    """ISO-8601 with milliseconds and ``Z``, the only timestamp form on the wire."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
