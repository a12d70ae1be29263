"""Declares what the worker does for mail."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hogsend.email.queue import TASK, SendQueue
from hogsend.email.redrive import Redrive
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Concurrency, Run, Task, WhenBusy

REDRIVE_TASK = "email-redrive"


def email_tasks(queue: SendQueue, redrive: Redrive) -> list[Task]:
    """Sending what was promised, and looking after what was left behind.

    The engine never retries: leases and attempts are ours.
    """

    async def sweep(_: Run) -> JsonObject | None:
        swept = await asyncio.to_thread(redrive.sweep)
        return {
            "asked": swept.asked,
            "resolved": swept.resolved,
            "doubted": swept.doubted,
            "forgotten": swept.forgotten,
        }

    return [
        Task(name=TASK, handler=queue.handle, execution_timeout=timedelta(minutes=10)),
        Task(
            name=REDRIVE_TASK,
            handler=sweep,
            execution_timeout=timedelta(minutes=10),
            cron="*/5 * * * *",
            concurrency=Concurrency(max_runs=1, when_busy=WhenBusy.DROP),
        ),
    ]
