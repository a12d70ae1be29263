"""Deletes what got old: a little per transaction, in one run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from hogsend.db import Executor, Query
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Concurrency, Run, Task, WhenBusy

_BATCH = 5000
_MOST_BATCHES = 400


def in_batches(delete: Callable[[int], int]) -> int:
    """Call ``delete`` with the most rows it may take until it finds fewer; answers how many.

    A run ends after two million rows: the next one goes on, and a stop never waits for long.
    """
    deleted = 0
    for _ in range(_MOST_BATCHES):
        gone = delete(_BATCH)
        deleted += gone
        if gone < _BATCH:
            break
    return deleted


def clear_before(db: Executor, query: Query, before: datetime) -> int:
    """Run a query that deletes or empties at most ``:limit`` rows older than ``:before`` and
    returns one row for each, until nothing is left; answers how many."""
    return in_batches(lambda limit: len(db.run(query, before=before, limit=limit)))


def housekeeping_task(name: str, work: Callable[[], Mapping[str, int]], *, cron: str) -> Task:
    """``work`` on a thread of its own at times (UTC); what it counted is the run's result."""

    async def handle(_: Run) -> JsonObject | None:
        return dict(await asyncio.to_thread(work))

    return Task(
        name=name,
        handler=handle,
        execution_timeout=timedelta(minutes=30),
        cron=cron,
        concurrency=Concurrency(max_runs=1, when_busy=WhenBusy.DROP),
    )
