"""Forgets what is only interesting while it is fresh: networks, programs, raw reports."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hogsend.db import Executor, QueryFile
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Concurrency, Run, Task, WhenBusy

_Q = QueryFile(__package__, "tracking.sql")

FORGET_TASK = "tracking-forget"
_REPORTS_FOR = timedelta(days=90)
_WISHES_FOR = timedelta(days=60)
_BATCH = 5000
_MOST_BATCHES = 200


def forget(db: Executor, *, clock: Clock, details_for: timedelta) -> dict[str, int]:
    """Delete or empty what is too old, in small transactions; answers rows by query."""
    now = clock.now()
    ages = {
        "forget_click_details": details_for,
        "delete_machine_hits": details_for,
        "empty_feedback": _REPORTS_FOR,
        "delete_unanswered_wishes": _WISHES_FOR,
    }
    counts: dict[str, int] = {}
    for name, age in ages.items():
        counts[name] = 0
        for _ in range(_MOST_BATCHES):
            gone = len(db.run(_Q[name], before=now - age, limit=_BATCH))
            counts[name] += gone
            if gone < _BATCH:
                break
    return counts


def forget_tasks(db: Executor, *, clock: Clock, details_for: timedelta) -> list[Task]:
    """Once a day."""

    async def handle(_: Run) -> JsonObject | None:
        counts = await asyncio.to_thread(forget, db, clock=clock, details_for=details_for)
        return dict(counts)

    return [
        Task(
            name=FORGET_TASK,
            handler=handle,
            execution_timeout=timedelta(minutes=30),
            cron="41 3 * * *",
            concurrency=Concurrency(max_runs=1, when_busy=WhenBusy.DROP),
        )
    ]
