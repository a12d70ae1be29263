"""What the present code would make of the people who are inside now.

Read-only. Meant to run before a deploy, with the new code and the database of the old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Enrollment
from hogsend.journeys.rehearsal import Rehearsal, rehearse
from hogsend.journeys.rows import to_enrollment
from hogsend.journeys.runtime.watch import LoopWatch
from hogsend.kernel.clock import Clock

_Q = QueryFile(__package__, "plan.sql")
_PAGE = 500
_LONGEST_SECONDS = 5.0
"""How long the code of one person may run without a pause."""

Verdict: TypeAlias = Literal["continues", "drifts", "stranded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What becomes of one person. ``waits_at`` is the label of their wait, if they wait.

    ``continues``: the code comes to the same place. ``drifts``: it does not, ``reason`` says how.
    ``stranded``: the app has no such journey any more. ``has_new_code``: they entered with other
    code than this.
    """

    journey_id: str
    state_id: UUID
    user_id: str
    verdict: Verdict
    waits_at: str | None
    reason: str | None
    has_new_code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inside:
    """An enrollment and the key of its open wait."""

    enrollment: Enrollment
    open_wait: Mapping[str, Any] | None


def plan_all(
    db: Executor, journeys: Mapping[str, JourneyDefinition], *, clock: Clock
) -> Iterator[Outlook]:
    """An outlook for everybody inside, journey by journey; people are read in pages."""
    watch = LoopWatch(break_seconds=_LONGEST_SECONDS)
    watch.start()
    with asyncio.Runner() as runner, closing(watch):
        for journey_id, _ in db.run(_Q["count_inside"]):
            definition = journeys.get(journey_id)
            for inside in _list_inside(db, journey_id):
                if definition is None:
                    yield _outlook(inside, None, "stranded", "the app has no such journey")
                else:
                    rehearsal = runner.run(
                        rehearse(inside.enrollment, definition, clock=clock, watch=watch)
                    )
                    reason = _find_drift(inside, rehearsal)
                    verdict: Verdict = "drifts" if reason else "continues"
                    yield _outlook(inside, definition, verdict, reason)


def _find_drift(inside: _Inside, rehearsal: Rehearsal) -> str | None:
    """How the code leaves the recorded path, None when it keeps to it."""
    wait = inside.open_wait
    if rehearsal.end == "fails":
        return f"it would fail: {rehearsal.reason}"
    if wait is None:
        # Due now: whatever comes behind the recorded steps is simply the next thing to happen.
        return _forgotten(rehearsal)
    if rehearsal.end == "waits" and rehearsal.wait is not None:
        new = rehearsal.wait
        if new.key != wait["key"]:
            return f"it would wait at {new.label!r} instead of {wait['label']!r}"
        if (new.kind, new.event, new.predicate) != (wait["kind"], wait["event"], wait["predicate"]):
            return f"the wait {new.label!r} is for something else now; the open one stays as it is"
        return _forgotten(rehearsal)
    where = f"before its wait {wait['label']!r}"
    if rehearsal.end == "acts":
        return f"{rehearsal.reason} {where}"
    return f"it would end ({rehearsal.end}) {where}"


def _forgotten(rehearsal: Rehearsal) -> str | None:
    if not rehearsal.unvisited:
        return rehearsal.drift  # it came back, but a policy looks at the first step aside
    return f"it no longer comes past {', '.join(map(repr, rehearsal.unvisited))}"


def _outlook(
    inside: _Inside, definition: JourneyDefinition | None, verdict: Verdict, reason: str | None
) -> Outlook:
    enrollment, wait = inside.enrollment, inside.open_wait
    return Outlook(
        journey_id=enrollment.journey_id,
        state_id=enrollment.id,
        user_id=enrollment.user_id,
        verdict=verdict,
        waits_at=wait["label"] if wait is not None else None,
        reason=reason,
        has_new_code=definition is not None and enrollment.version_hash != definition.version_hash,
    )


def _list_inside(db: Executor, journey_id: str) -> Iterator[_Inside]:
    after: UUID | None = None
    while True:
        rows = db.run(_Q["list_inside"], journey_id=journey_id, after=after, limit=_PAGE)
        for row in rows:
            yield _to_inside(row, journey_id)
        if len(rows) < _PAGE:
            return
        after = rows[-1][0]


def _to_inside(row: tuple[Any, ...], journey_id: str) -> _Inside:
    state_id, *columns = row
    wait = columns[-1]
    is_open = wait is not None and wait["outcome"] is None
    return _Inside(
        enrollment=to_enrollment(columns, state_id=state_id, journey_id=journey_id),
        open_wait=wait if is_open else None,
    )
