"""Keeps the table of idempotency keys small."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hogsend.db import Executor
from hogsend.idempotency.store import purge_expired
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Concurrency, Run, Task, WhenBusy

PURGE_TASK = "idempotency-purge"
_BATCH = 5000
_MOST_BATCHES = 200


def idempotency_tasks(db: Executor) -> list[Task]:
    """Deletes expired keys once an hour, in small transactions."""

    def purge() -> int:
        deleted = 0
        for _ in range(_MOST_BATCHES):
            batch = purge_expired(db, limit=_BATCH)
            deleted += batch
            if batch < _BATCH:
                break
        return deleted

    async def handle(_: Run) -> JsonObject | None:
        return {"deleted": await asyncio.to_thread(purge)}

    return [
        Task(
            name=PURGE_TASK,
            handler=handle,
            execution_timeout=timedelta(minutes=10),
            cron="23 * * * *",
            concurrency=Concurrency(max_runs=1, when_busy=WhenBusy.DROP),
        )
    ]
