"""Tells relays, after commit, that there is something to ship."""

from __future__ import annotations

import threading

import structlog

from hogsend.db import Database
from hogsend.errors import HogsendError
from hogsend.outbox import store


class Nudge:
    """Coalesces any number of ``poke`` calls into few NOTIFYs on a thread of its own.

    NOTIFY inside the storing transaction would make commits take turns; here it costs the
    request nothing. A lost nudge costs at most one poll interval of the relay.
    """

    def __init__(self, db: Database, *, interval_seconds: float = 0.005) -> None:
        self._db = db
        self._interval = interval_seconds
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def poke(self) -> None:
        """Something was committed; returns at once, never raises."""
        self._wanted.set()
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Send what is pending and stop."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="nudge", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                store.poke(self._db)
            except HogsendError as error:
                structlog.get_logger().debug("nudge.failed", error=str(error))
            if self._stopping.wait(self._interval) and not self._wanted.is_set():
                return
