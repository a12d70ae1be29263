"""Waiting for NOTIFY without ever failing the waiter."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hogsend.db.connection import Connection, Notification
from hogsend.db.dsn import DatabaseOptions, connect_arguments
from hogsend.db.errors import DatabaseError

_BACKOFF_SECONDS = 1.0


class Listener:
    """One connection that LISTENs; reconnects by itself, used by one thread.

    ``reconnects`` grows each time the connection was made anew: notifications sent in between
    were missed.
    """

    def __init__(self, options: DatabaseOptions, channels: Sequence[str]) -> None:
        self._options = replace(options, statement_timeout=timedelta(0))
        self._channels = tuple(channels)
        self._connection: Connection | None = None
        self._retry_at = 0.0
        self.reconnects = 0

    @property
    def is_connected(self) -> bool:
        """True while notifications can arrive."""
        return self._connection is not None and not self._connection.is_broken

    def wait(self, timeout_seconds: float) -> list[Notification]:
        """Block until something arrives or the time is over; a dead server is waited out."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            remaining = max(0.0, deadline - time.monotonic())
            if self._connection is None and not self._connect():
                time.sleep(min(remaining, _BACKOFF_SECONDS))
            elif self._connection is not None:
                try:
                    found = self._connection.poll(remaining)
                except DatabaseError:
                    self._drop()
                    continue
                if found:
                    return found
            if time.monotonic() >= deadline:
                return []

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._drop()

    def _connect(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        try:
            connection = Connection(connect_arguments(self._options), prepare=False)
            connection.run_script("; ".join(f'LISTEN "{c}"' for c in self._channels))
        except DatabaseError:
            self._retry_at = time.monotonic() + _BACKOFF_SECONDS
            return False
        self._connection = connection
        self.reconnects += 1
        return True

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
