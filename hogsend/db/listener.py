"""Hears NOTIFY on a connection of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from hogsend.db.connection import Connection
from hogsend.db.errors import DatabaseError
from hogsend.db.options import DatabaseOptions
from hogsend.kernel.lifetimes import Closing

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_CHECK_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Notification:
    """One NOTIFY."""

    channel: str
    payload: str


class Listener(Closing):
    """For one thread; only ``close`` may come from another. Survives a dead server.

    ``is_connected`` says whether notifications are being heard. ``reconnected`` is True after a
    ``wait`` that came (back) to a server: what was said in between was missed, so look yourself.

    With ``prepare=False`` (a transaction pooler) it never connects. There LISTEN succeeds on a
    server connection that somebody else gets next, so it would be deaf and believe it hears.
    """

    def __init__(self, options: DatabaseOptions, channels: Sequence[str]) -> None:
        self._options = replace(options, statement_timeout=None)
        self._channels = tuple(channels)
        self._connection: Connection | None = None
        self._pause = _FIRST_PAUSE
        self._retry_at = 0.0
        self._checked_at = 0.0
        self._is_closed = False
        self.reconnected = False
        if options.prepare:
            self._connect()
        else:
            self._retry_at = math.inf
        self.reconnected = False

    @property
    def is_connected(self) -> bool:
        """True while the server would tell us."""
        return self._connection is not None

    def wait(self, timeout_seconds: float) -> list[Notification]:
        """Return what was notified, at the latest after ``timeout_seconds``.

        Never raises for a dead server: it answers an empty list in time and tries to connect
        again, with growing pauses. The wait that reconnects returns at once.
        """
        deadline = time.monotonic() + timeout_seconds
        self.reconnected = False
        while not self._is_closed:
            if self._connection is None:
                if self._reconnect_before(deadline):
                    return []
            elif heard := self._hear(self._connection, deadline):
                return heard
            if time.monotonic() >= deadline:
                break
        return []

    def close(self) -> None:
        """Stop hearing; a ``wait`` in another thread returns. Idempotent."""
        self._is_closed = True
        connection = self._connection
        if connection is not None:
            connection.shut()
            connection.close()
            self._connection = None

    def _hear(self, connection: Connection, deadline: float) -> list[Notification]:
        if time.monotonic() - self._checked_at > _CHECK_SECONDS and not self._answers(connection):
            return []
        until = min(deadline, self._checked_at + _CHECK_SECONDS)
        try:
            # What came along with the answer to a check is here already.
            seconds = 0.0 if connection.notifications else max(0.0, until - time.monotonic())
            if connection.wait_readable(seconds) and not connection.pump():
                self._drop("the server closed the connection")
        except (OSError, ValueError) as error:  # closed by another thread
            self._drop(str(error))
        heard = [Notification(*pair) for pair in connection.notifications]
        connection.notifications.clear()
        return heard

    def _answers(self, connection: Connection) -> bool:
        """A link that died silently would leave us deaf: ask now and then."""
        self._checked_at = time.monotonic()
        try:
            connection.script("SELECT 1")
        except (DatabaseError, OSError, ValueError) as error:
            self._drop(str(error))
            return False
        return True

    def _reconnect_before(self, deadline: float) -> bool:
        pause = min(deadline, self._retry_at) - time.monotonic()
        while pause > 0 and not self._is_closed:
            time.sleep(min(pause, 0.2))
            pause = min(deadline, self._retry_at) - time.monotonic()
        if time.monotonic() < self._retry_at or self._is_closed:
            return False
        return self._connect()

    def _connect(self) -> bool:
        connection: Connection | None = None
        try:
            connection = Connection(self._options)
            for channel in self._channels:
                connection.script(f"LISTEN {_quote(channel)}")
        except DatabaseError as error:
            if connection is not None:
                connection.close()
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            structlog.get_logger().warning("listener.connect_failed", error=error.message)
            return False
        if self._is_closed:
            connection.close()
            return False
        connection.set_patience(_CHECK_SECONDS)
        self._connection = connection
        self._pause = _FIRST_PAUSE
        self._checked_at = time.monotonic()
        self.reconnected = True
        return True

    def _drop(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if connection is None or self._is_closed:
            return
        connection.close()
        structlog.get_logger().warning("listener.connection_lost", error=reason)


def _quote(channel: str) -> str:
    return '"' + channel.replace('"', '""') + '"'
