"""``ctx.digest``: collect events of a while, then go on with all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from hogsend.conditions.model import Condition
from hogsend.journeys import reads
from hogsend.journeys.meta import Entry, where_json
from hogsend.journeys.runtime import waits
from hogsend.journeys.runtime.history import PastEvent, event_json, subject_of, to_past_event
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError
from hogsend.kernel.wire_json import JsonObject, JsonValue

LONGEST_WINDOW = timedelta(hours=720)
DEFAULT_LOOKBACK = timedelta(minutes=15)
MOST_EVENTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """``events`` oldest first; ``truncated`` when there were more than asked for."""

    events: Sequence[PastEvent]
    count: int
    truncated: bool
    flushed_at: datetime


async def digest(
    passage: Passage,
    *,
    window: timedelta,
    event: str | None,
    where: Condition | Sequence[Condition] | None,
    max_events: int,
    lookback: timedelta,
    label: str | None,
) -> Digest:
    """Sleep for ``window``, then answer the events of the window and a little before.

    No event is in two digests: those before the end of the person's last one are left out, also
    of an earlier passage. Without ``event`` it is the trigger, with the trigger's conditions. Works
    because a person who is inside already is not enrolled again: their later events wait for this.
    """
    meta = passage.definition.meta
    _check(window, max_events, lookback)
    name = event or meta.trigger.event
    predicate = waits.to_predicate(where)
    if where is None and name == meta.trigger.event:
        predicate = where_json(meta.trigger)
    label = label or f"digest:{name}"
    if name == meta.trigger.event and (hint := _find_gap(meta.entry, window)):
        passage.warn_once("journey.digest_has_gaps", hint=hint)
    seconds = window.total_seconds()
    before, wait_key = passage.now, f"wait:{label}"
    value = await waits.wait(passage, "digest", label, lambda now: now + timedelta(seconds=seconds))
    opened = datetime.fromisoformat(str(value["openedAt"]))
    flushed = datetime.fromisoformat(str(value["at"]))
    services = passage.services

    async def collect() -> JsonValue:
        enrollment = passage.enrollment
        bounds = await services.offload.query(
            reads.read_digest_bounds,
            services.db,
            subject_of(passage),
            journey_id=meta.id,
            wait_key=wait_key,
            trigger_event_id=enrollment.trigger_event_id,
            until=flushed,
        )
        # A worker that was away opens the wait late: what came meanwhile belongs to it.
        is_first = before == enrollment.created_at
        begun = (bounds.trigger_received_at or before) if is_first else before
        rows = await services.offload.query(
            reads.list_digest,
            services.db,
            subject_of(passage),
            event=name,
            since=min(opened, begun) - lookback,
            until=flushed,
            arrived_after=bounds.last_ended_at,
            predicate=predicate,
            limit=max_events + 1,
        )
        kept = rows[:max_events]
        return {"events": [event_json(r) for r in kept], "truncated": len(rows) > max_events}

    result = cast(JsonObject, await passage.record("digest", label, collect))
    events = [to_past_event(e) for e in cast(list[JsonObject], result["events"])]
    return Digest(
        events=events,
        count=len(events),
        truncated=bool(result["truncated"]),
        flushed_at=flushed,
    )


def _find_gap(entry: Entry, window: timedelta) -> str | None:
    """Why events of the trigger get lost between two digests, None when they do not."""
    if entry.kind == "once":
        return "entry is once: only the events of one window are ever collected"
    if entry.period is not None and entry.period > window:
        return "entry is less frequent than the window: events between two windows are lost"
    return None


def _check(window: timedelta, max_events: int, lookback: timedelta) -> None:
    seconds = waits.check_span("the window of ctx.digest", window)
    if seconds > LONGEST_WINDOW.total_seconds():
        raise JourneyError("the window of ctx.digest is at most 720 hours")
    is_number = isinstance(max_events, int) and not isinstance(max_events, bool)
    if not is_number or not 1 <= max_events <= MOST_EVENTS:
        raise JourneyError(f"max_events of ctx.digest is 1 to {MOST_EVENTS}")
    if lookback != timedelta(0):
        waits.check_span("the lookback of ctx.digest", lookback)
