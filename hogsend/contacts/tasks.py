"""Forgets what visitors said about themselves who never became anybody."""

from __future__ import annotations

from datetime import timedelta

from hogsend.db import Executor, QueryFile
from hogsend.kernel.clock import Clock
from hogsend.orchestrator.housekeeping import clear_before, housekeeping_task
from hogsend.orchestrator.port import Task

_Q = QueryFile(__package__, "contacts.sql")

DRAFTS_TASK = "contacts-forget-drafts"


def forget_drafts(db: Executor, *, clock: Clock, keep_for: timedelta) -> int:
    """Delete drafts untouched for so long; answers how many."""
    return clear_before(db, _Q["delete_old_drafts"], clock.now() - keep_for)


def contact_tasks(db: Executor, *, clock: Clock, drafts_for: timedelta) -> list[Task]:
    """Once a day."""

    def work() -> dict[str, int]:
        return {"deleted": forget_drafts(db, clock=clock, keep_for=drafts_for)}

    return [housekeeping_task(DRAFTS_TASK, work, cron="53 3 * * *")]
