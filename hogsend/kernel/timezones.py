"""IANA time zones by name, and wall-clock times as instants."""

from __future__ import annotations

import functools
import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from hogsend.errors import InvalidInput
from hogsend.kernel.words import suggest

# Names that depend on the machine they are read on.
_LOCAL_NAMES = frozenset({"localtime", "posixrules", "Factory"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")


def find_zone(name: object) -> ZoneInfo | None:
    """The zone of that exact IANA name, None for anything else; never raises."""
    if not isinstance(name, str) or name in _LOCAL_NAMES or not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None  # OSError: the name of a directory, such as "America"


def get_zone(name: object) -> ZoneInfo:
    """The zone of that exact IANA name; raises InvalidInput."""
    zone = find_zone(name)
    if zone is None:
        meant = suggest(name, _names()) if isinstance(name, str) else ""
        raise InvalidInput(
            f"{name!r} is not a time zone{meant}", hint="use an IANA name, such as Europe/Berlin"
        )
    return zone


@functools.cache
def _names() -> list[str]:
    """Every zone of this machine; read from its files once."""
    return sorted(available_timezones())


def instant_of(day: date, wall: time, zone: ZoneInfo, *, is_later: bool = False) -> datetime:
    """When clocks of the zone show that time on that day, in UTC.

    A time that clocks skip moves forward by what they skip; of a time they show twice it is the
    earlier one, or with ``is_later`` the later one.
    """
    local = datetime.combine(day, wall, tzinfo=zone).replace(fold=0)
    early = local.astimezone(UTC)
    if not is_later:
        return early
    return max(early, local.replace(fold=1).astimezone(UTC))
