"""What happened, as text."""

from __future__ import annotations

from collections.abc import Sequence

from hogsend.kernel.timezones import find_zone
from hogsend.kernel.wire_json import JsonObject, iso_z
from hogsend.testing.people import TimelineEntry


def format_timeline(entries: Sequence[TimelineEntry], *, zone: str | None = None) -> str:
    """One line per entry, in the person's time zone when there is one."""
    clock = find_zone(zone) or find_zone("UTC")
    lines = []
    for entry in entries:
        at = entry.at.astimezone(clock).strftime("%Y-%m-%d %a %H:%M")
        where = f"[{entry.journey_id}] " if entry.journey_id else ""
        lines.append(f"{at}  {where}{entry.what} {entry.detail}".rstrip())
    return "\n".join(lines)


def timeline_json(entries: Sequence[TimelineEntry]) -> list[JsonObject]:
    """The same as data."""
    return [
        {
            "at": iso_z(entry.at),
            "userId": entry.user_id,
            "journeyId": entry.journey_id,
            "what": entry.what,
            "detail": entry.detail,
        }
        for entry in entries
    ]
