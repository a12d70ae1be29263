"""Wakes those whose wait is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from hogsend.db import Executor
from hogsend.errors import HogsendError
from hogsend.journeys import store
from hogsend.kernel.clock import Clock
from hogsend.kernel.lifetimes import BackgroundLoop

_LONGEST_NAP_SECONDS = 1.0
_SHORTEST_NAP_SECONDS = 0.01


class Timer(BackgroundLoop):
    """One thread that moves due waits to the outbox, in bulk.

    Any number of timers may run: they skip each other's rows. It sleeps until the next wait is
    due, and looks every second for waits that other workers opened.
    """

    def __init__(
        self,
        db: Executor,
        *,
        poke: Callable[[], None],
        clock: Clock,
        limit: int = 1000,
    ) -> None:
        super().__init__("timer")
        self._db = db
        self._poke = poke
        self._clock = clock
        self._limit = limit
        self._changed = threading.Condition()
        self._wake_at = 0.0

    def request_stop(self) -> None:
        """Move nothing after the batch at hand; returns at once."""
        super().request_stop()
        with self._changed:
            self._changed.notify()

    def expect(self, due_at: datetime) -> None:
        """A wait was opened here: do not sleep past it."""
        at = time.monotonic() + (due_at - self._clock.now()).total_seconds()
        with self._changed:
            if at < self._wake_at:
                self._wake_at = at
                self._changed.notify()

    def move_due(self) -> float:
        """Move one bulk of due waits; seconds until it is worth looking again."""
        moved, next_seconds = store.wake_due(self._db, limit=self._limit)
        if moved:
            self._poke()
        if moved == self._limit:
            return 0.0
        if next_seconds is None:
            return _LONGEST_NAP_SECONDS
        # A due wait that was not moved is locked by somebody who is about to change it.
        return min(max(next_seconds, _SHORTEST_NAP_SECONDS), _LONGEST_NAP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                self._wake_at = time.monotonic() + _LONGEST_NAP_SECONDS
            try:
                nap = self.move_due()
            except HogsendError as error:
                structlog.get_logger().warning("timer.database_unavailable", error=str(error))
                nap = _LONGEST_NAP_SECONDS
            self._nap(nap)

    def _nap(self, seconds: float) -> None:
        with self._changed:
            self._wake_at = min(self._wake_at, time.monotonic() + seconds)
            while not self._stopping.is_set():
                left = self._wake_at - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)
