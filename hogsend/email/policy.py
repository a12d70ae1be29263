"""Limits an operator sets on mail: how often, when, and to whom not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hogsend.kernel.hashing import bucket_of

TRANSACTIONAL = "transactional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most ``count`` mails to one person within ``window``."""

    count: int
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyCaps:
    """``overall`` counts every mail; a rule of a category replaces it and counts only its own.

    Asked with the caller's category, never the template's.
    """

    overall: Cap | None = None
    by_category: Mapping[str, Cap] = field(default_factory=dict)
    exempt: frozenset[str] = frozenset({TRANSACTIONAL})

    def rule_for(self, category: str | None) -> tuple[Cap, str | None] | None:
        """The cap that applies, and the category it counts (None: all); None: no cap."""
        if category is not None and category in self.exempt:
            return None
        if category is not None and category in self.by_category:
            return self.by_category[category], category
        return (self.overall, None) if self.overall is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendWindow:
    """Hours of the person's day in which mail may go out; ``start <= t < end``.

    A window that ends before it starts wraps around midnight, one of length zero is always open.
    """

    start: time
    end: time
    timezone: str = "UTC"

    def opens_at(self, now: datetime, *, timezone: str | None) -> datetime | None:
        """The next instant the window is open, None when it is open now."""
        zone = _zone(timezone) or _zone(self.timezone) or ZoneInfo("UTC")
        local = now.astimezone(zone)
        if self._contains(local.time()):
            return None
        opening = datetime.combine(local.date(), self.start, tzinfo=zone)
        if opening <= local:
            opening = datetime.combine(local.date() + timedelta(days=1), self.start, tzinfo=zone)
        # Through UTC and back: an opening inside a gap of the clocks is the later instant.
        return opening.astimezone(now.tzinfo)

    def _contains(self, clock: time) -> bool:
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPolicy:
    """What gates ask. ``is_opt_in`` says whether a category must be joined before it may write.

    ``refusal_hashes`` are the hashes under which an erased person's refusals are kept.
    ``control_percent`` of all people (0 to 15) get no mail at all, to measure what mail does.
    """

    caps: FrequencyCaps = FrequencyCaps()
    window: SendWindow | None = None
    control_percent: float = 0.0
    control_salt: str = "global-control"
    is_opt_in: Callable[[str], bool] = lambda category: False
    refusal_hashes: Callable[[str], Sequence[str]] = lambda address: ()

    def in_control_group(self, key: str) -> bool:
        """Stable per person; ``key`` is the user id, or the address."""
        percent = min(max(self.control_percent, 0.0), 15.0)
        if percent == 0:
            return False
        return bucket_of(f"{self.control_salt}:GLOBAL:{key.lower()}") < percent * 100


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
