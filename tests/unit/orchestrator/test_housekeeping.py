from __future__ import annotations

import asyncio
import threading

from hogsend.orchestrator.housekeeping import housekeeping_task, in_batches
from hogsend.orchestrator.port import Run, WhenBusy


def test_batches_end_with_the_first_that_is_not_full() -> None:
    left, limits = [12_345], []

    def delete(limit: int) -> int:
        limits.append(limit)
        gone = min(limit, left[0])
        left[0] -= gone
        return gone

    assert in_batches(delete) == 12_345
    assert limits == [5000, 5000, 5000]


def test_batches_end_when_rows_come_as_fast_as_they_go() -> None:
    assert in_batches(lambda limit: limit) == 400 * 5000


def test_task_works_beside_the_loop_and_one_at_a_time() -> None:
    threads: list[threading.Thread] = []

    def work() -> dict[str, int]:
        threads.append(threading.current_thread())
        return {"deleted": 7}

    task = housekeeping_task("t", work, cron="1 2 * * *")
    run = Run(task="t", input={}, run_id="r", attempt=1, metadata={})

    assert asyncio.run(_result(task.handler(run))) == {"deleted": 7}
    assert threads[0] is not threading.main_thread()
    assert task.concurrency is not None
    assert (task.concurrency.max_runs, task.concurrency.when_busy) == (1, WhenBusy.DROP)


async def _result(handled: object) -> object:
    return await handled  # type: ignore[misc]
