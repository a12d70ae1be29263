"""Runs queued work on one event loop: slots, concurrency keys, timeouts, retries."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import structlog

from hogsend.orchestrator.local_queue import QueuedRun, RunQueue
from hogsend.orchestrator.port import Concurrency, Run, Task, WhenBusy

_Key = tuple[str, str]


class Executor:
    """Takes runs from the queue while it is open and a slot is free; event-loop only."""

    def __init__(self, *, queue: RunQueue, tasks: Mapping[str, Task], slots: int) -> None:
        self._queue = queue
        self._tasks = tasks
        self._slots = slots
        self._is_open = False
        self._is_closed = False
        self._running: set[asyncio.Task[None]] = set()
        self._keys: dict[_Key, int] = {}
        self._blocked: dict[_Key, deque[QueuedRun]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._log = structlog.get_logger()

    @property
    def running(self) -> int:
        """How many handlers run right now."""
        return len(self._running)

    def open(self) -> None:
        """Start (or go on) taking runs."""
        self._is_open = True
        self.pump()

    def pause(self) -> None:
        """Take no more runs; those that run go on."""
        self._is_open = False

    def pump(self) -> None:
        """Start as many queued runs as slots allow."""
        while self._is_open and len(self._running) < self._slots:
            queued = self._queue.pop()
            if queued is None:
                return
            self._admit(queued)

    async def drain(self, seconds: float) -> bool:
        """Wait for running handlers; True when all ended within ``seconds``."""
        self.pause()
        self._close_timers()
        if self._running:
            await asyncio.wait(self._running, timeout=max(seconds, 0))
        return not self._running

    async def cancel(self, grace_seconds: float) -> None:
        """Cancel what still runs and give it ``grace_seconds`` to clean up."""
        self._close_timers()
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=grace_seconds)

    def _close_timers(self) -> None:
        self._is_closed = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _admit(self, queued: QueuedRun) -> None:
        run = queued.run
        task = self._tasks.get(run.task)
        if task is None:
            self._log.error("run.dropped", task=run.task, run_id=run.run_id, reason="unknown task")
            return
        if self._now() - queued.queued_at > task.schedule_timeout.total_seconds():
            self._log.warning("run.expired", task=run.task, run_id=run.run_id)
            return
        key = _concurrency_key(task, run)
        if key is not None and not self._take_key(task.concurrency, key, queued):
            return
        handler = asyncio.get_running_loop().create_task(self._execute(task, queued, key))
        self._running.add(handler)
        handler.add_done_callback(self._running.discard)

    def _take_key(self, concurrency: Concurrency | None, key: _Key, queued: QueuedRun) -> bool:
        if concurrency is None or self._keys.get(key, 0) < concurrency.max_runs:
            self._keys[key] = self._keys.get(key, 0) + 1
            return True
        if concurrency.when_busy is WhenBusy.DROP:
            self._log.info(
                "run.dropped", task=queued.run.task, run_id=queued.run.run_id, reason="busy"
            )
        else:
            self._blocked.setdefault(key, deque()).append(queued)
        return False

    def _release_key(self, key: _Key) -> None:
        self._keys[key] -= 1
        if not self._keys[key]:
            del self._keys[key]
        blocked = self._blocked.get(key)
        if blocked:
            self._queue.put_back(blocked.popleft())
            if not blocked:
                del self._blocked[key]

    async def _execute(self, task: Task, queued: QueuedRun, key: _Key | None) -> None:
        run = queued.run
        try:
            async with asyncio.timeout(task.execution_timeout.total_seconds()):
                await task.handler(run)
        except asyncio.CancelledError:
            self._log.warning("run.cancelled", task=run.task, run_id=run.run_id)
            raise
        except Exception as error:  # a handler's failure is an outcome, not ours
            self._fail(task, queued, error)
        finally:
            if key is not None:
                self._release_key(key)
            current = asyncio.current_task()
            if current is not None:
                self._running.discard(current)
            self.pump()

    def _fail(self, task: Task, queued: QueuedRun, error: Exception) -> None:
        run = queued.run
        is_final = run.attempt > task.retries
        self._log.warning(
            "run.failed",
            task=run.task,
            run_id=run.run_id,
            attempt=run.attempt,
            is_final=is_final,
            error=repr(error),
            exc_info=error,
        )
        if is_final or self._is_closed:
            return
        again = replace(run, attempt=run.attempt + 1)
        loop = asyncio.get_running_loop()

        def requeue() -> None:
            self._timers.discard(timer)
            self._queue.push(-queued.rank, again, now=self._now())
            self.pump()

        timer = loop.call_later(backoff_seconds(task, run.attempt), requeue)
        self._timers.add(timer)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def backoff_seconds(task: Task, failures: int) -> float:
    """Pause before the next attempt after ``failures`` failed ones."""
    limit = task.backoff_max.total_seconds()
    try:
        return min(float(task.backoff_factor**failures), limit)
    except OverflowError:
        return limit


def _concurrency_key(task: Task, run: Run) -> _Key | None:
    if task.concurrency is None:
        return None
    name = task.concurrency.input_field
    return task.name, "" if name is None else str(run.input.get(name))
