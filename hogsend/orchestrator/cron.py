"""Five-field cron expressions in UTC, in the common subset of every engine's parser.

Accepted per field: ``*``, numbers, ``a-b`` ranges, ``/n`` steps on ``*`` or a range, and
comma lists of these. Names, ``7`` for Sunday and ``@daily`` are refused because engines
disagree about them. When day of month and day of week are both restricted, either may match
(crontab(5)).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hogsend.errors import ConfigError

_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 6),
)
_HORIZON_DAYS = 366 * 8 + 2  # 29 February can be eight years away (around 2100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A parsed expression; ``weekdays`` count from Sunday = 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_any_day: bool
    is_any_weekday: bool

    def next_after(self, instant: datetime) -> datetime:
        """The first matching minute strictly after ``instant``, in UTC.

        Raises ConfigError when no date ever matches (30 February).
        """
        start = instant.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start.replace(hour=0, minute=0)
        for offset in range(_HORIZON_DAYS):
            candidate = day + timedelta(days=offset)
            if not self._matches_day(candidate):
                continue
            found = self._first_time(candidate, start)
            if found is not None:
                return found
        raise ConfigError("The cron expression never matches a date")

    def _first_time(self, day: datetime, start: datetime) -> datetime | None:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                found = day.replace(hour=hour, minute=minute)
                if found >= start:
                    return found
        return None

    def _matches_day(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        in_month = day.day in self.days
        in_week = day.isoweekday() % 7 in self.weekdays
        if self.is_any_day or self.is_any_weekday:
            return in_month and in_week
        return in_month or in_week


def parse_cron(expression: str) -> Cron:
    """Parse five fields; raises ConfigError naming the field that is wrong."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ConfigError(f"Cron '{expression}' needs five fields, has {len(parts)}")
    sets = [
        _field(part, name, low, high, expression)
        for part, (name, low, high) in zip(parts, _FIELDS, strict=True)
    ]
    return Cron(
        minutes=sets[0],
        hours=sets[1],
        days=sets[2],
        months=sets[3],
        weekdays=sets[4],
        is_any_day=parts[2] == "*",
        is_any_weekday=parts[4] == "*",
    )


def _field(text: str, name: str, low: int, high: int, expression: str) -> frozenset[int]:
    values: set[int] = set()
    for item in text.split(","):
        span, slash, step_text = item.partition("/")
        try:
            first, last = _span(span, low, high, has_step=bool(slash))
            step = int(_digits(step_text)) if slash else 1
        except ValueError:
            raise ConfigError(f"Cron '{expression}': {name} '{item}' is not understood") from None
        if not (low <= first <= last <= high and step >= 1):
            raise ConfigError(f"Cron '{expression}': {name} '{item}' is outside {low}-{high}")
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _span(text: str, low: int, high: int, *, has_step: bool) -> tuple[int, int]:
    if text == "*":
        return low, high
    first, dash, last = text.partition("-")
    if dash:
        return int(_digits(first)), int(_digits(last))
    if has_step:
        raise ValueError("a step needs a range")  # "5/10" means different things elsewhere
    value = int(_digits(text))
    return value, value


def _digits(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("not a number")
    return text
