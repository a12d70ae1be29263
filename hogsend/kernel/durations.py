"""Durations: ``timedelta`` inside, ``{hours, minutes, seconds}`` on the wire, ``"3d"`` in text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from hogsend.errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TEXT = re.compile(r"(\d+)(s|m|h|d|w)")
_WIRE_KEYS = {"hours": 3600, "minutes": 60, "seconds": 1}


def parse_duration(text: str) -> timedelta:
    """Read ``"90m"``, ``"3d"`` or ``"1h30m"``; raises InvalidInput for anything else or zero."""
    compact = text.strip().lower().replace(" ", "")
    if not compact or _TEXT.sub("", compact):
        raise InvalidInput(
            f"{text!r} is not a duration", hint="use a form such as 90s, 30m, 12h, 3d or 1h30m"
        )
    seconds = sum(int(amount) * _UNITS[unit] for amount, unit in _TEXT.findall(compact))
    return require_positive(_delta(seconds), what=repr(text))


def require_positive(duration: timedelta, *, what: str) -> timedelta:
    """Return the duration unchanged; raises InvalidInput when it is zero or negative."""
    if duration <= timedelta(0):
        raise InvalidInput(f"{what} must be longer than zero")
    return duration


def to_wire(duration: timedelta) -> dict[str, int | float]:
    """The reference's shape: only the keys that are not zero, seconds may carry a fraction."""
    total = duration.total_seconds()
    hours, rest = divmod(total, 3600)
    minutes, seconds = divmod(rest, 60)
    wire: dict[str, int | float] = {}
    if hours:
        wire["hours"] = int(hours)
    if minutes:
        wire["minutes"] = int(minutes)
    if seconds:
        wire["seconds"] = int(seconds) if seconds == int(seconds) else seconds
    return wire


def from_wire(value: Mapping[str, object]) -> timedelta:
    """Read ``{hours, minutes, seconds}``; unknown keys and non-numbers raise InvalidInput."""
    seconds = 0.0
    for key, amount in value.items():
        if key not in _WIRE_KEYS:
            raise InvalidInput(
                f"unknown duration key {key!r}", hint="use hours, minutes and seconds"
            )
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            raise InvalidInput(f"duration key {key!r} must be a number")
        seconds += amount * _WIRE_KEYS[key]
    return _delta(seconds)


def _delta(seconds: float) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except (OverflowError, ValueError) as error:  # ValueError: not a number
        raise InvalidInput(f"a duration of {seconds} s is out of range") from error
