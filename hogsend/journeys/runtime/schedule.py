"""``ctx.when``: wall-clock times of a person as instants. Pure: "now" is given, never read.

``when.next("tue").at("09:30")``, ``when.next_local("10:00")``, ``when.tomorrow().at("8:00")`` and
``when.in_(timedelta(days=3)).at("09:00")`` give an aware datetime in UTC, for ``sleep_until``.
``tz``, ``window`` and ``if_past`` narrow what follows and leave the original as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from hogsend.errors import InvalidInput
from hogsend.kernel.durations import require_positive
from hogsend.kernel.timezones import get_zone, instant_of

IfPast: TypeAlias = Literal["next", "now"]

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY_NUMBERS = {name: number for number, day in enumerate(_WEEKDAYS) for name in (day, day[:3])}
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendWindow:
    """Hours in which mail may arrive, from ``start`` up to but not including ``end``.

    A start after the end goes over midnight; equal ends mean always.
    """

    start: time
    end: time

    @classmethod
    def parse(cls, start: str, end: str) -> SendWindow:
        """From two ``HH:MM`` texts; raises InvalidInput."""
        return cls(start=parse_time(start), end=parse_time(end))

    def contains(self, wall: time) -> bool:
        """True when a clock that shows ``wall`` is inside."""
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= wall < self.end
        return wall >= self.start or wall < self.end

    def clamp(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """The instant if it is inside, else the next opening, in UTC and never earlier."""
        local = instant.astimezone(zone)
        if self.contains(local.time()):
            return instant.astimezone(UTC)
        day = local.date()
        if local.time() >= self.start:
            day += _DAY
        opening = instant_of(day, self.start, zone)
        if opening < instant:
            # The clock went back over the opening: it comes a second time.
            opening = instant_of(day, self.start, zone, is_later=True)
        return max(opening, instant.astimezone(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The start of a schedule expression; ``ctx.when`` holds one for the enrolled person."""

    now: datetime
    zone: ZoneInfo
    send_window: SendWindow | None = None
    past: IfPast = "next"

    def tz(self, name: str) -> When:
        """In that zone instead of the person's; raises InvalidInput for an unknown name."""
        return replace(self, zone=get_zone(name))

    def window(self, start: str, end: str) -> When:
        """Moved to the next opening when it would fall outside these hours."""
        return replace(self, send_window=SendWindow.parse(start, end))

    def if_past(self, choice: IfPast) -> When:
        """What a time that is over means: the ``"next"`` such time (default), or ``"now"``."""
        if choice not in ("next", "now"):
            raise InvalidInput(f"if_past() takes 'next' or 'now', not {choice!r}")
        return replace(self, past=choice)

    def next(self, weekday: str) -> Day:
        """The coming day of that name, today included while its time is still ahead."""
        name = weekday.strip().lower() if isinstance(weekday, str) else ""
        number = _WEEKDAY_NUMBERS.get(name)
        if number is None:
            raise InvalidInput(f"{weekday!r} is not a day of the week", hint="use mon … sun")
        today = self._today()
        return Day(when=self, day=_shifted(today, (number - today.weekday()) % 7), roll_days=7)

    def next_local(self, wall: str) -> datetime:
        """Today at that time, or tomorrow when it is over."""
        return Day(when=self, day=self._today(), roll_days=1).at(wall)

    def tomorrow(self) -> Day:
        """The day after today."""
        return Day(when=self, day=_shifted(self._today(), 1), roll_days=1)

    def in_(self, duration: timedelta) -> Day:
        """The day it will be after ``duration``."""
        require_positive(duration, what="in_()")
        try:
            day = (self.now + duration).astimezone(self.zone).date()
        except OverflowError as error:
            raise InvalidInput("in_() reaches beyond the calendar") from error
        return Day(when=self, day=day, roll_days=1)

    def _today(self) -> date:
        return self.now.astimezone(self.zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A chosen day; ``at`` chooses the time."""

    when: When
    day: date
    roll_days: int

    def at(self, wall: str) -> datetime:
        """That day at ``HH:MM`` in UTC, after ``if_past`` and the window have had their say."""
        at = parse_time(wall)
        now, zone = self.when.now.astimezone(UTC), self.when.zone
        day = self.day
        instant = instant_of(day, at, zone)
        if instant <= now and self.when.past == "now":
            instant = now
        while instant <= now and self.when.past == "next":
            # Calendar days, not 24 hours: nine stays nine when the clocks change.
            day = _shifted(day, self.roll_days)
            instant = instant_of(day, at, zone)
        window = self.when.send_window
        return window.clamp(instant, zone) if window is not None else instant


def parse_time(text: str) -> time:
    """``9:05`` or ``09:05``; raises InvalidInput."""
    match = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise InvalidInput(f"{text!r} is not a time of day", hint="use HH:MM, from 00:00 to 23:59")
    return time(int(match[1]), int(match[2]))


def _shifted(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError as error:
        raise InvalidInput("the day lies beyond the calendar") from error
