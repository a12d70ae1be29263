"""Forgets what visitors said about themselves who never became anybody."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hogsend.contacts import store
from hogsend.db import Executor
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Concurrency, Run, Task, WhenBusy

DRAFTS_TASK = "contacts-forget-drafts"
_BATCH = 5000
_MOST_BATCHES = 200


def forget_drafts(db: Executor, *, clock: Clock, keep_for: timedelta) -> int:
    """Delete drafts untouched for so long, in small transactions; answers how many."""
    before, deleted = clock.now() - keep_for, 0
    for _ in range(_MOST_BATCHES):
        gone = store.delete_old_drafts(db, before=before, limit=_BATCH)
        deleted += gone
        if gone < _BATCH:
            break
    return deleted


def contact_tasks(db: Executor, *, clock: Clock, drafts_for: timedelta) -> list[Task]:
    """Once a day."""

    async def handle(_: Run) -> JsonObject | None:
        gone = await asyncio.to_thread(forget_drafts, db, clock=clock, keep_for=drafts_for)
        return {"deleted": gone}

    return [
        Task(
            name=DRAFTS_TASK,
            handler=handle,
            execution_timeout=timedelta(minutes=30),
            cron="53 3 * * *",
            concurrency=Concurrency(max_runs=1, when_busy=WhenBusy.DROP),
        )
    ]
