"""One call of ``serve``: runs the SDK's worker and decides when and how it ends."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

import structlog

from hogsend.orchestrator.hatchet_health import ListenerHealth
from hogsend.orchestrator.hatchet_tasks import RunningHandlers
from hogsend.orchestrator.port import OrchestratorUnavailable, ServeEnd, ServeHooks

_POLL_SECONDS = 0.1
_PROBE_SECONDS = 2.0
_START_PROBE_SECONDS = 0.25
_START_SECONDS = 90.0
_CANCEL_GRACE_SECONDS = 3.0
_CHILD_GRACE_SECONDS = 5.0


class SdkWorker(Protocol):
    """What is used of the SDK's worker."""

    def start(self) -> None:
        """Block until the worker ended; leaves by SystemExit."""
        ...

    async def exit_gracefully(self) -> None:
        """Pause, drain, leave; the second call leaves at once."""
        ...


class StopFlags:
    """Set by signal handlers, so plain flags: a lock could be held by the interrupted code."""

    def __init__(self) -> None:
        self.is_stop_requested = False
        self.is_force_requested = False

    def on_signal(self) -> None:
        """The first signal drains, the second does not wait."""
        self.is_force_requested = self.is_stop_requested
        self.is_stop_requested = True


class Session:
    """The worker runs on the main thread; a watch thread looks after it.

    The SDK drains without limit and never notices that the engine is gone for good, so both
    limits live here.
    """

    def __init__(
        self,
        *,
        flags: StopFlags,
        hooks: ServeHooks,
        health: ListenerHealth,
        running: RunningHandlers,
        drain_timeout: timedelta,
        engine_lost_after: timedelta,
    ) -> None:
        self._flags = flags
        self._hooks = hooks
        self._health = health
        self._running = running
        self._drain_seconds = drain_timeout.total_seconds()
        self._lost_seconds = engine_lost_after.total_seconds()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving: list[asyncio.Future[None]] = []
        self._ended = threading.Event()
        self._end: ServeEnd | None = None
        self._failure: BaseException | None = None
        self._is_ready = False
        self.is_healthy = False
        self._log = structlog.get_logger()

    async def lifespan(self) -> AsyncGenerator[None, None]:
        """Given to the SDK's worker, which runs it on its event loop before listening."""
        self._loop = asyncio.get_running_loop()
        yield

    def run(self, worker: SdkWorker) -> ServeEnd:
        """Run the worker to its end; raises OrchestratorUnavailable if it never got ready."""
        watch = threading.Thread(target=self._watch, args=(worker,), name="engine-watch")
        watch.start()
        try:
            worker.start()
        except SystemExit as left:
            self._log.debug("worker.left", code=left.code)
        except Exception as error:
            if self._is_ready:
                raise
            raise OrchestratorUnavailable("Hatchet did not take the worker") from error
        finally:
            self._ended.set()
            watch.join()
            self.is_healthy = False
            _reap_children()
        if self._failure is not None:
            raise self._failure
        if self._end is None:
            raise OrchestratorUnavailable(
                "The Hatchet worker did not get ready", hint="its reasons are logged above"
            )
        return self._end

    def _watch(self, worker: SdkWorker) -> None:
        try:
            if self._until_ready():
                self._until_over()
            if self._flags.is_stop_requested:
                self._end = ServeEnd.STOPPED
            elif self._is_ready:
                self._end = ServeEnd.ENGINE_LOST
                self._log.error("engine.lost", after_seconds=self._lost_seconds)
        except BaseException as error:  # raised again on the main thread
            self._failure = error
        finally:
            self.is_healthy = False
            self._finish(worker)

    def _until_ready(self) -> bool:
        """True once runs can arrive, False when the worker ended, or has to, before."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._over(_START_PROBE_SECONDS) and time.monotonic() < deadline:
            if self._loop is not None and self._health.is_ok():
                self._is_ready = self.is_healthy = True
                self._hooks.on_ready()
                return True
        return False

    def _until_over(self) -> None:
        """Return on a stop request, when the worker ended, or when the engine is lost."""
        last_ok = time.monotonic()
        while not self._over(_PROBE_SECONDS):
            is_ok = self._health.is_ok()
            if is_ok != self.is_healthy:
                self.is_healthy = is_ok
                self._log.warning("engine.reachable" if is_ok else "engine.unreachable")
            if is_ok:
                last_ok = time.monotonic()
            elif time.monotonic() - last_ok > self._lost_seconds:
                return

    def _over(self, seconds: float) -> bool:
        """Nap; True as soon as a stop was requested or the worker ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._flags.is_stop_requested or self._ended.wait(_POLL_SECONDS):
                return True
        return False

    def _finish(self, worker: SdkWorker) -> None:
        """Drain within the deadline, then cancel, then leave without waiting."""
        deadline = time.monotonic() + self._drain_seconds
        self._log.info("worker.drain_started", running=len(self._running))
        self._leave(worker)
        hook = threading.Thread(target=self._call_stopping, name="on-stopping", daemon=True)
        hook.start()
        while not self._is_over(hook):
            if self._flags.is_force_requested or time.monotonic() > deadline:
                self._force(worker)
                return

    def _is_over(self, hook: threading.Thread) -> bool:
        if not self._ended.wait(_POLL_SECONDS):
            return False
        hook.join(timeout=_POLL_SECONDS)
        return not hook.is_alive()

    def _force(self, worker: SdkWorker) -> None:
        self._end = ServeEnd.FORCED if self._end is ServeEnd.STOPPED else self._end
        self._log.error("worker.drain_timed_out", running=len(self._running))
        self._call_soon(self._running.cancel_all)
        if not self._ended.wait(_CANCEL_GRACE_SECONDS):
            self._leave(worker)

    def _leave(self, worker: SdkWorker) -> None:
        def begin() -> None:
            self._leaving.append(asyncio.ensure_future(worker.exit_gracefully()))

        while self._loop is None and not self._ended.wait(_POLL_SECONDS):
            pass  # still registering tasks: the SDK's own retries end it
        self._call_soon(begin)

    def _call_soon(self, callback: Callable[[], Any]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # closed in between
                self._loop.call_soon_threadsafe(callback)

    def _call_stopping(self) -> None:
        try:
            self._hooks.on_stopping()
        except BaseException as error:  # raised again on the main thread
            self._failure = self._failure or error


def _reap_children() -> None:
    """The listener child leaves by itself; a stuck one must not outlive us."""
    for child in multiprocessing.active_children():
        child.join(timeout=_CHILD_GRACE_SECONDS)
        if child.is_alive():
            child.kill()
            child.join(timeout=1)
