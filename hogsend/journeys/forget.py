"""Forgets how people went through journeys; that they did stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hogsend.db import Executor, Query, QueryFile
from hogsend.kernel.clock import Clock
from hogsend.orchestrator.housekeeping import clear_before, housekeeping_task
from hogsend.orchestrator.port import Task

_Q = QueryFile(__package__, "forget.sql")

FORGET_TASK = "journeys-forget"
_PAGE = 1000
_MOST_PAGES = 10_000
_FIRST = UUID(int=0)
# Ids are made with a worker's clock, ends with the database's.
_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyAges:
    """How long after an enrollment's end its ``journal`` (what a replay needs) and its ``log``
    (what an operator reads) are kept; refusals are kept as long as logs."""

    journal: timedelta
    log: timedelta


def forget(db: Executor, *, clock: Clock, ages: JourneyAges) -> dict[str, int]:
    """Delete what is too old, in small transactions; answers rows by kind."""
    now = clock.now()
    return {
        "journals": _walk(db, _Q["forget_journals"], now - ages.journal),
        "logs": _walk(db, _Q["forget_logs"], now - ages.log),
        "refusals": clear_before(db, _Q["forget_refusals"], now - ages.log),
    }


def forget_task(db: Executor, *, clock: Clock, ages: JourneyAges) -> Task:
    """Once a day."""

    def work() -> dict[str, int]:
        return forget(db, clock=clock, ages=ages)

    return housekeeping_task(FORGET_TASK, work, cron="7 3 * * *")


def _walk(db: Executor, query: Query, before: datetime) -> int:
    after: UUID | None = _FIRST
    floor, deleted = _first_id_of(before + _SKEW), 0
    for _ in range(_MOST_PAGES):
        if after is None:
            break
        gone, after = db.run(query, after=after, floor=floor, before=before, limit=_PAGE)[0]
        deleted += gone
    return deleted


def _first_id_of(moment: datetime) -> UUID:
    """No uuid7 made at this moment or later is smaller."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
