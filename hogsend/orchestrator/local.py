"""The embedded orchestrator: an executor inside the one worker process of a machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from hogsend.errors import ConfigError
from hogsend.kernel.clock import Clock, SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonObject, loads
from hogsend.orchestrator.checks import encode_inputs
from hogsend.orchestrator.cron import Cron, parse_cron
from hogsend.orchestrator.drain import run_hook
from hogsend.orchestrator.local_executor import Executor
from hogsend.orchestrator.local_lock import Lock, LockKeeper
from hogsend.orchestrator.local_queue import RunQueue
from hogsend.orchestrator.port import (
    OrchestratorUnavailable,
    Priority,
    Run,
    RunRefused,
    RunRequest,
    ServeEnd,
    ServeHooks,
    Task,
)
from hogsend.orchestrator.signals import stop_signals

_CANCEL_GRACE_SECONDS = 2.0
_CRON_NAP_SECONDS = 30.0  # a suspended machine notices a due tick this late at most


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """``queue_limit`` bounds what waits in memory: the outbox is the durable queue."""

    slots: int = 100
    queue_limit: int = 1000
    drain_timeout: timedelta = timedelta(seconds=30)
    lock_poll: timedelta = timedelta(seconds=1)


class LocalOrchestrator:
    """Executes runs on the main thread's event loop while it holds ``lock``.

    Runs in memory die with the process; the outbox rows behind them become due again. A
    second process waits as standby until the lock is free; a process whose lock is lost takes
    no work until it has it back.
    """

    name = "local"
    address = "local"

    def __init__(
        self,
        options: LocalOptions,
        lock: Lock,
        *,
        clock: Clock | None = None,
        new_id: Callable[[], UUID] = uuid7,
    ) -> None:
        self._options = options
        self._keeper = LockKeeper(lock, poll=options.lock_poll)
        self._clock = clock or SystemClock()
        self._new_id = new_id
        self._queue = RunQueue(limit=options.queue_limit)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._executor: Executor | None = None
        self._tasks: dict[str, Task] | None = None
        self._stop: asyncio.Event | None = None
        self._stop_requested = False
        self._force_requested = False
        self._log = structlog.get_logger()

    def submit(self, runs: Sequence[RunRequest]) -> None:
        """Queue runs; before ``serve`` they wait for it. See Submitter.submit.

        Raises OrchestratorUnavailable when the queue is full, this process is standby, or it
        is stopping.
        """
        texts = encode_inputs(runs)
        tasks = self._tasks
        if tasks is not None:
            for index, request in enumerate(runs):
                if request.task not in tasks:
                    raise RunRefused(f"No task is named '{request.task}'", index=index)
            if self._stop_requested or not self._keeper.is_held:
                raise OrchestratorUnavailable("This worker is standby or stopping")
        queued = [
            (int(request.priority), self._new_run(request, text))
            for request, text in zip(runs, texts, strict=True)
        ]
        self._queue.offer(queued, now=time.monotonic())
        self._call_soon(self._pump)

    def serve(self, tasks: Sequence[Task], hooks: ServeHooks) -> ServeEnd:
        """See Orchestrator.serve; never returns ENGINE_LOST, a lost lock is waited for."""
        crons = [(task, parse_cron(task.cron)) for task in tasks if task.cron is not None]
        by_name = {task.name: task for task in tasks}
        if len(by_name) != len(tasks):
            raise ConfigError("Two tasks have the same name")
        loop = asyncio.new_event_loop()
        try:
            with stop_signals(self._on_signal):
                return loop.run_until_complete(self._serve(by_name, crons, hooks))
        finally:
            self._loop = None
            self._keeper.release()
            loop.close()

    def request_stop(self) -> None:
        """See Orchestrator.request_stop."""
        self._stop_requested = True
        self._call_soon(self._notice)

    def is_healthy(self) -> bool:
        """True while this process holds the lock and takes runs."""
        return self._keeper.is_held

    def close(self) -> None:
        """Forget queued runs and release the lock's thread; idempotent."""
        self._queue.clear()
        self._keeper.close()

    async def _serve(
        self, tasks: dict[str, Task], crons: list[tuple[Task, Cron]], hooks: ServeHooks
    ) -> ServeEnd:
        self._stop = stop = asyncio.Event()
        self._executor = Executor(queue=self._queue, tasks=tasks, slots=self._options.slots)
        self._loop = loop = asyncio.get_running_loop()
        self._tasks = tasks
        if self._stop_requested:
            stop.set()
        if await self._keeper.wait_for(stop):
            hooks.on_ready()
            self._executor.open()
            watch = self._keeper.watch(on_lost=self._pause, on_regained=self._resume)
            helpers: list[asyncio.Task[Any]] = [loop.create_task(watch)]
            helpers += [loop.create_task(self._tick(task, cron)) for task, cron in crons]
            await _until_first([loop.create_task(stop.wait()), *helpers])
        return await self._finish(self._executor, hooks)

    def _pause(self) -> None:
        if self._executor is not None:
            self._executor.pause()

    def _resume(self) -> None:
        if self._executor is not None:
            self._executor.open()

    async def _tick(self, task: Task, cron: Cron) -> None:
        due = cron.next_after(self._clock.now())
        while True:
            remaining = (due - self._clock.now()).total_seconds()
            if remaining > 0:
                await asyncio.sleep(min(remaining, _CRON_NAP_SECONDS))
                continue
            if self._keeper.is_held:
                request = RunRequest(task=task.name, input={}, metadata={"trigger": "cron"})
                self._queue.push(
                    Priority.NORMAL, self._new_run(request, "{}"), now=time.monotonic()
                )
                self._pump()
            due = cron.next_after(self._clock.now())

    async def _finish(self, executor: Executor, hooks: ServeHooks) -> ServeEnd:
        deadline = time.monotonic() + self._options.drain_timeout.total_seconds()
        executor.pause()
        self._log.info("worker.drain_started", running=executor.running, queued=len(self._queue))
        hook = asyncio.create_task(run_hook(hooks.on_stopping))
        while not await executor.drain(0.1) or not hook.done():
            if self._force_requested or time.monotonic() >= deadline:
                self._log.error("worker.drain_timed_out", running=executor.running)
                hook.cancel()
                await executor.cancel(_CANCEL_GRACE_SECONDS)
                return ServeEnd.FORCED
            if not executor.running:
                await asyncio.wait([hook], timeout=0.1)
        hook.result()
        return ServeEnd.STOPPED

    def _pump(self) -> None:
        if self._executor is not None:
            self._executor.pump()

    def _notice(self) -> None:
        if self._stop is not None:
            self._stop.set()

    def _on_signal(self) -> None:
        self._force_requested = self._stop_requested
        self.request_stop()

    def _call_soon(self, callback: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # closed in between: nobody is left to tell
                loop.call_soon_threadsafe(callback)

    def _new_run(self, request: RunRequest, text: str) -> Run:
        copied = loads(text)  # what a handler changes must not reach the submitter
        payload: JsonObject = copied if isinstance(copied, dict) else {}
        return Run(
            task=request.task,
            input=payload,
            run_id=str(self._new_id()),
            attempt=1,
            metadata=dict(request.metadata),
        )


async def _until_first(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Wait until one ends and cancel the rest; raises what a failed one raised."""
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=1)
    for task in done:
        task.result()
