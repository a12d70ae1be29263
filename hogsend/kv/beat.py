"""Keeps one worker's heartbeat fresh."""

from __future__ import annotations

import threading

import structlog

from hogsend.kernel.clock import Clock
from hogsend.kv import heartbeat
from hogsend.kv.client import Kv, KvUnavailable


class HeartbeatThread:
    """Beats every ten seconds and says goodbye at the end; Redis may be away."""

    def __init__(self, kv: Kv, *, instance: str, clock: Clock, version: str = "") -> None:
        self._kv = kv
        self._instance = instance
        self._clock = clock
        self._version = version
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Beat at once and then regularly, on a thread of its own; idempotent."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Remove this instance; idempotent."""
        if self._thread is None or self._stopping.is_set():
            return
        self._stopping.set()
        self._thread.join(timeout=5)
        try:
            heartbeat.remove(self._kv, instance=self._instance, now=self._clock.now())
        except KvUnavailable as error:
            structlog.get_logger().debug("heartbeat.not_removed", error=error.message)

    def _run(self) -> None:
        is_reported = False
        while True:
            try:
                heartbeat.write(
                    self._kv,
                    instance=self._instance,
                    now=self._clock.now(),
                    version=self._version,
                )
                is_reported = False
            except KvUnavailable as error:
                if not is_reported:
                    structlog.get_logger().debug("heartbeat.not_written", error=error.message)
                    is_reported = True
            if self._stopping.wait(heartbeat.INTERVAL_SECONDS):
                return
