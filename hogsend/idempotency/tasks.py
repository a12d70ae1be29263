"""Keeps the table of idempotency keys small."""

from __future__ import annotations

from hogsend.db import Executor
from hogsend.idempotency.store import purge_expired
from hogsend.orchestrator.housekeeping import housekeeping_task, in_batches
from hogsend.orchestrator.port import Task

PURGE_TASK = "idempotency-purge"


def idempotency_tasks(db: Executor) -> list[Task]:
    """Deletes expired keys once an hour."""

    def work() -> dict[str, int]:
        return {"deleted": in_batches(lambda limit: purge_expired(db, limit=limit))}

    return [housekeeping_task(PURGE_TASK, work, cron="23 * * * *")]
