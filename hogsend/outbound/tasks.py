"""Keeps promised events from piling up."""

from __future__ import annotations

from datetime import timedelta

from hogsend.db import Executor, QueryFile
from hogsend.kernel.clock import Clock
from hogsend.orchestrator.housekeeping import clear_before, housekeeping_task
from hogsend.orchestrator.port import Task

_Q = QueryFile(__package__, "outbound.sql")

PURGE_TASK = "outbound-purge"


def purge(db: Executor, *, clock: Clock, keep_for: timedelta) -> int:
    """Delete what is older; answers how many rows."""
    return clear_before(db, _Q["purge_promised"], clock.now() - keep_for)


def outbound_tasks(db: Executor, *, clock: Clock, keep_for: timedelta) -> list[Task]:
    """Once an hour."""

    def work() -> dict[str, int]:
        return {"deleted": purge(db, clock=clock, keep_for=keep_for)}

    return [housekeeping_task(PURGE_TASK, work, cron="37 * * * *")]
