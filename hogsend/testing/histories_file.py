"""What people do, written down: one event as text, or many people as a CSV file."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hogsend.errors import InvalidInput
from hogsend.kernel.durations import parse_duration
from hogsend.kernel.timezones import find_zone
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.testing.people import Deed

_COLUMNS = ("user_id", "at", "event", "properties", "email", "timezone")
_REQUIRED = ("user_id", "at", "event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Somebody does something at an instant."""

    user_id: str
    at: datetime
    event: str
    properties: JsonObject = field(default_factory=dict)
    email: str = ""
    timezone: str | None = None


def parse_deed(text: str) -> Deed:
    """``+2d project.created size=3 'name="Ada L"'``: pause, event, properties.

    Values are JSON where they can be and text otherwise. Raises InvalidInput.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r}: {error}") from error
    after = timedelta(0)
    if words and words[0].startswith("+"):
        after = parse_duration(words.pop(0)[1:])
    if not words or "=" in words[0]:
        raise InvalidInput(f"{text!r} names no event", hint="write '+2d event.name key=value'")
    return Deed(event=words[0], properties=parse_pairs(words[1:]), after=after)


def parse_pairs(words: Iterable[str]) -> JsonObject:
    """``key=value`` words as properties; raises InvalidInput for anything else."""
    found: JsonObject = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InvalidInput(f"{word!r} is no property", hint="write key=value")
        found[key] = _value(value)
    return found


def read_occurrences(lines: Iterable[str], *, source: str) -> list[Occurrence]:
    """A CSV with the columns user_id, at, event and, if wanted, properties, email, timezone.

    ``at`` is ISO-8601 (UTC without a zone), ``properties`` a JSON object. The answer is in order
    of time. Raises InvalidInput with the line of the first mistake.
    """
    reader = csv.DictReader(lines)
    head = reader.fieldnames or ()
    unknown = [name for name in head if name not in _COLUMNS]
    missing = [name for name in _REQUIRED if name not in head]
    if unknown or missing:
        raise InvalidInput(
            f"{source}:1: the columns are {', '.join(head) or 'missing'}",
            hint=f"needed: {', '.join(_REQUIRED)}; allowed: {', '.join(_COLUMNS[3:])}",
        )
    found = [_read_row(row, f"{source}:{reader.line_num}") for row in reader]
    return sorted(found, key=lambda occurrence: occurrence.at)


def _read_row(row: Mapping[str | None, str | None], place: str) -> Occurrence:
    texts = {str(key): (value or "").strip() for key, value in row.items() if key is not None}
    if None in row or not texts["user_id"] or not texts["event"]:
        raise InvalidInput(f"{place}: the row does not fit the columns")
    try:
        at = datetime.fromisoformat(texts["at"])
        properties = json.loads(texts.get("properties") or "{}")
    except ValueError as error:
        raise InvalidInput(f"{place}: {error}") from error
    if not isinstance(properties, dict):
        raise InvalidInput(f"{place}: properties must be a JSON object")
    return Occurrence(
        user_id=texts["user_id"],
        at=at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC),
        event=texts["event"],
        properties=properties,
        email=texts.get("email", ""),
        timezone=_zone(texts.get("timezone"), place),
    )


def _zone(name: str | None, place: str) -> str | None:
    if name and find_zone(name) is None:
        raise InvalidInput(f"{place}: {name!r} is not a time zone")
    return name or None


def _value(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value
