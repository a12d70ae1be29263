"""A bounded last-in-first-out pool of connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hogsend.db.connection import Connection
from hogsend.db.dsn import DatabaseOptions, connect_arguments
from hogsend.db.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """Gauges: connections in use, idle, the limit, and how many threads wait."""

    in_use: int
    idle: int
    size: int
    waiting: int


class Pool:
    """Connections are opened on demand, outside any lock, and checked before each use."""

    def __init__(self, options: DatabaseOptions) -> None:
        self._options = options
        self._arguments = connect_arguments(options)
        self._slots = threading.Semaphore(options.pool_size)
        self._lock = threading.Lock()
        self._idle: list[tuple[Connection, float]] = []  # newest last
        self._in_use = 0
        self._waiting = 0
        self._closed = False

    @contextmanager
    def lease(self) -> Iterator[Connection]:
        """Borrow a connection; a broken one or one left in a transaction is not reused.

        Raises DatabaseUnavailable when none is free in time or none can be opened.
        """
        connection, opened_at = self._take()
        try:
            yield connection
        finally:
            self._give_back(connection, opened_at)

    def warm(self, count: int) -> None:
        """Open connections ahead of need."""
        taken = [self._take() for _ in range(min(count, self._options.pool_size))]
        for connection, opened_at in taken:
            self._give_back(connection, opened_at)

    def stats(self) -> PoolStats:
        """A snapshot for gauges."""
        with self._lock:
            return PoolStats(
                in_use=self._in_use,
                idle=len(self._idle),
                size=self._options.pool_size,
                waiting=self._waiting,
            )

    def close(self) -> None:
        """Close idle connections; borrowed ones are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _take(self) -> tuple[Connection, float]:
        if not self._slots.acquire(blocking=False):
            self._wait_for_slot()
        with self._lock:
            self._in_use += 1
        try:
            return self._reuse() or (self._open(), time.monotonic())
        except BaseException:
            self._release_slot()
            raise

    def _wait_for_slot(self) -> None:
        with self._lock:
            self._waiting += 1
        try:
            timeout = self._options.acquire_timeout.total_seconds()
            if not self._slots.acquire(timeout=timeout):
                raise DatabaseUnavailable(
                    f"no database connection became free within {timeout:g} s",
                    code="pool_exhausted",
                    hint="raise DATABASE_POOL_MAX or lower the number of threads",
                )
        finally:
            with self._lock:
                self._waiting -= 1

    def _reuse(self) -> tuple[Connection, float] | None:
        oldest = time.monotonic() - self._options.max_lifetime.total_seconds()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, opened_at = self._idle.pop()
            if opened_at > oldest and connection.is_alive():
                return connection, opened_at
            connection.close()

    def _open(self) -> Connection:
        return Connection(self._arguments, prepare=self._options.prepare)

    def _give_back(self, connection: Connection, opened_at: float) -> None:
        reusable = not connection.is_broken and not connection.in_transaction
        with self._lock:
            if reusable and not self._closed:
                self._idle.append((connection, opened_at))
            else:
                reusable = False
        if not reusable:
            connection.close()
        self._release_slot()

    def _release_slot(self) -> None:
        with self._lock:
            self._in_use -= 1
        self._slots.release()
