"""Ends a worker that looks alive but cannot do its work, so that its supervisor restarts it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from hogsend.orchestrator.port import Orchestrator

_EVERY_SECONDS = 1.0
_GRACE_SECONDS = 5.0


class LivingThread(Protocol):
    """A background part of the worker."""

    @property
    def is_alive(self) -> bool:
        """False once its thread has ended."""
        ...


class Watchdog:
    """Watches the engine connection and the worker's own threads.

    When the engine stays unreachable for ``limit_seconds``, or a thread has died, it asks the
    orchestrator to stop; when that does not end the process within the drain time, the process
    is ended with code 1. Whatever was running becomes due again by its lease.
    """

    def __init__(
        self,
        orchestrator: Orchestrator,
        *,
        threads: Sequence[LivingThread],
        limit_seconds: float,
        drain_seconds: float,
    ) -> None:
        self._orchestrator = orchestrator
        self._threads = threads
        self._limit = limit_seconds
        self._drain = drain_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self.has_fired = False

    def start(self) -> None:
        """Begin watching; call when everything watched has started."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching: the worker ends on purpose."""
        self._stopping.set()

    def _run(self) -> None:
        healthy_at = time.monotonic()
        while not self._stopping.wait(_EVERY_SECONDS):
            if not all(thread.is_alive for thread in self._threads):
                self._fire("a background thread died")
                return
            if self._orchestrator.is_healthy():
                healthy_at = time.monotonic()
            elif time.monotonic() - healthy_at > self._limit:
                self._fire("the engine was unreachable for too long")
                return

    def _fire(self, reason: str) -> None:
        if self._stopping.is_set():
            return
        self.has_fired = True
        log = structlog.get_logger()
        log.error("watchdog.fired", reason=reason, limit_seconds=self._limit)
        self._orchestrator.request_stop()
        if not self._stopping.wait(self._drain + _GRACE_SECONDS):
            log.error("watchdog.forced_exit", reason="the worker did not drain")
            os._exit(1)
