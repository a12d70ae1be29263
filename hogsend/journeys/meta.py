"""What an author declares about a journey, checked strictly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from hogsend.conditions.json_form import to_json
from hogsend.conditions.pattern import EventPattern
from hogsend.kernel.wire_json import JsonObject, JsonValue

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser

OnDrift: TypeAlias = Literal["continue", "finish_old", "exit"]
RunFunction: TypeAlias = Callable[[Any, Any], Awaitable[object]]

LONGEST_WAIT: Final = timedelta(days=366)
LONGEST_SPAN: Final = timedelta(days=36_525)
"""How far anything looks back; what is meant by more is always, and that has words of its own."""
DEFAULT_CATEGORY: Final = "journey"


@dataclass(frozen=True, slots=True)
class Entry:
    """How often one person may enter a journey."""

    kind: Literal["once", "once_per_period", "unlimited"]
    period: timedelta | None = None

    @classmethod
    def once(cls) -> Entry:
        """Never again, whatever became of the first time."""
        return cls("once")

    @classmethod
    def once_per(cls, period: timedelta) -> Entry:
        """Again when ``period`` has passed since they last entered."""
        return cls("once_per_period", period)

    @classmethod
    def unlimited(cls) -> Entry:
        """Whenever it is triggered and they are not inside already."""
        return cls("unlimited")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Keeps ``percent`` (0 to 50) of the people out, to measure what the journey does.

    The same people are kept out for the same ``salt`` (the journey's id by default).
    """

    percent: float
    salt: str | None = None


class JourneyFields(TypedDict, total=False):
    """The keywords of ``@app.journey``; ``id``, ``name`` and ``trigger`` are required.

    ``min_gap`` is the least time between two mails of this journey to one address; ``version`` a
    label for readouts; ``on_drift`` what happens to people inside when the code has changed in a
    way their recorded steps do not fit.
    """

    id: str
    name: str
    trigger: EventPattern
    description: str | None
    enabled: bool
    entry: Entry
    exit_on: list[EventPattern] | tuple[EventPattern, ...]
    min_gap: timedelta | None
    holdout: Holdout | None
    category: str | None
    goal: str | None
    version: str | None
    on_drift: OnDrift


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyMeta:
    """A checked declaration; see JourneyFields. Made by ``checks.check_fields`` only."""

    id: str
    name: str
    trigger: EventPattern
    description: str | None = None
    enabled: bool = True
    entry: Entry = Entry("once")
    exit_on: tuple[EventPattern, ...] = ()
    min_gap: timedelta | None = None
    holdout: Holdout | None = None
    category: str | None = None
    goal: str | None = None
    version: str | None = None
    on_drift: OnDrift = "continue"

    @property
    def mail_category(self) -> str:
        """The preference category of every mail of the journey."""
        return self.category or DEFAULT_CATEGORY


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyDefinition:
    """A journey as the runtime sees it; ``place`` is ``file:line`` of its function."""

    meta: JourneyMeta
    run: Callable[[JourneyUser, JourneyContext], Awaitable[object]]
    place: str
    version_hash: str | None = None

    def to_spec(self) -> JsonObject:
        """What ``hogsend.begin_advances_v2`` needs to know, as JSON."""
        meta = self.meta
        holdout = meta.holdout or Holdout(percent=0)
        return {
            "name": meta.name,
            "enabled": meta.enabled,
            "entry": meta.entry.kind,
            "period_seconds": meta.entry.period.total_seconds() if meta.entry.period else None,
            "where": where_json(meta.trigger),
            "exits": [{"event": p.event, "where": where_json(p)} for p in meta.exit_on],
            "holdout_percent": holdout.percent,
            "holdout_salt": holdout.salt or meta.id,
            "version_hash": self.version_hash,
            "version_label": meta.version,
        }


def where_json(pattern: EventPattern) -> JsonValue:
    """The conditions of a pattern as JSON; None when everything matches."""
    return [to_json(condition) for condition in pattern.where] or None
