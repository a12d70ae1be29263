"""How the api stops: first nobody sends requests here any more, then the socket closes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

# A process group's parent passes on a signal that the platform may have sent to everybody.
_SAME_SIGNAL_SECONDS = 1.0


class Stoppable(Protocol):
    """The server."""

    def announce_stop(self) -> None:
        """Go on serving, but keep no connection alive."""
        ...

    def stop(self) -> None:
        """Close the socket and end."""
        ...


class Drainable(Protocol):
    """Health."""

    def start_draining(self) -> None:
        """Not ready from now on."""
        ...


class GracefulStop:
    """Readiness goes down at once, the socket ``drain_seconds`` later.

    For signal handlers: takes no lock that the main thread could hold. Another signal, more than
    a second after the first, ends the wait.
    """

    def __init__(
        self,
        server: Stoppable,
        health: Drainable,
        *,
        drain_seconds: float,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._health = health
        self._drain_seconds = drain_seconds
        self._ticks = ticks
        self._requested_at: float | None = None
        self.reason = "Stop"

    def request(self, reason: str) -> None:
        """Begin, or with a later signal hurry."""
        now = self._ticks()
        if self._requested_at is not None:
            if now - self._requested_at > _SAME_SIGNAL_SECONDS:
                self._server.stop()
            return
        self._requested_at = now
        self.reason = reason
        self._health.start_draining()
        if self._drain_seconds <= 0:
            self._server.stop()
            return
        self._server.announce_stop()
        timer = threading.Timer(self._drain_seconds, self._server.stop)
        timer.daemon = True
        timer.start()
