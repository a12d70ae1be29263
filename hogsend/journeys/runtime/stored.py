"""Values as the database will answer them."""

from __future__ import annotations

from hogsend.journeys.runtime.signals import JourneyError
from hogsend.kernel.wire_json import JsonValue, dumps, loads


def as_stored(what: str, value: object) -> JsonValue:
    """The value after a trip through JSON: tuples are lists, instants texts, keys texts.

    Raises JourneyError for what JSON, or PostgreSQL (a NUL in a text), cannot hold.
    """
    try:
        text = dumps(value)
        plain = loads(text)
    except (TypeError, ValueError) as error:
        raise JourneyError(f"{what} cannot be stored as JSON: {error}") from error
    if "\\u0000" in text and _holds_nul(plain):
        raise JourneyError(f"{what} cannot be stored: a text in it holds a NUL character")
    return plain


def _holds_nul(value: JsonValue) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_holds_nul(inner) for inner in value)
