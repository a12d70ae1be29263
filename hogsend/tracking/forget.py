"""Forgets what is only interesting while it is fresh: networks, programs, raw reports."""

from __future__ import annotations

from datetime import timedelta

from hogsend.db import Executor, QueryFile
from hogsend.kernel.clock import Clock
from hogsend.orchestrator.housekeeping import clear_before, housekeeping_task
from hogsend.orchestrator.port import Task

_Q = QueryFile(__package__, "tracking.sql")

FORGET_TASK = "tracking-forget"
_REPORTS_FOR = timedelta(days=90)
_WISHES_FOR = timedelta(days=60)


def forget(db: Executor, *, clock: Clock, details_for: timedelta) -> dict[str, int]:
    """Delete or empty what is too old; answers rows by query."""
    now = clock.now()
    ages = {
        "forget_click_details": details_for,
        "delete_machine_hits": details_for,
        "delete_foreign_feedback": _REPORTS_FOR,
        "empty_feedback": _REPORTS_FOR,
        "delete_unanswered_wishes": _WISHES_FOR,
    }
    return {name: clear_before(db, _Q[name], now - age) for name, age in ages.items()}


def forget_tasks(db: Executor, *, clock: Clock, details_for: timedelta) -> list[Task]:
    """Once a day."""

    def work() -> dict[str, int]:
        return forget(db, clock=clock, details_for=details_for)

    return [housekeeping_task(FORGET_TASK, work, cron="41 3 * * *")]
