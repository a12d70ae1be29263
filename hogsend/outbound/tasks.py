"""Keeps promised events from piling up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hogsend.db import Executor
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Concurrency, Run, Task, WhenBusy
from hogsend.outbound import store

PURGE_TASK = "outbound-purge"
_BATCH = 5000
_MOST_BATCHES = 400


def purge(db: Executor, *, clock: Clock, keep_for: timedelta) -> int:
    """Delete what is older, in small transactions; answers how many rows."""
    before, deleted = clock.now() - keep_for, 0
    for _ in range(_MOST_BATCHES):
        gone = store.purge_promised(db, before=before, limit=_BATCH)
        deleted += gone
        if gone < _BATCH:
            break
    return deleted


def outbound_tasks(db: Executor, *, clock: Clock, keep_for: timedelta) -> list[Task]:
    """Once an hour."""

    async def handle(_: Run) -> JsonObject | None:
        return {"deleted": await asyncio.to_thread(purge, db, clock=clock, keep_for=keep_for)}

    return [
        Task(
            name=PURGE_TASK,
            handler=handle,
            execution_timeout=timedelta(minutes=10),
            cron="37 * * * *",
            concurrency=Concurrency(max_runs=1, when_busy=WhenBusy.DROP),
        )
    ]
