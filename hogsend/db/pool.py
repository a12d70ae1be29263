"""A bounded pool: the connection returned last is lent first."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from hogsend.db.connection import Connection
from hogsend.db.errors import DatabaseUnavailable
from hogsend.db.options import DatabaseOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """Gauges of a pool: ``waiting`` are threads that want a connection right now.

    ``round_trips_total`` counts what connections did before they came back.
    """

    size: int
    in_use: int
    idle: int
    waiting: int
    opened_total: int
    exhausted_total: int
    round_trips_total: int


class Pool:
    """Thread-safe. A connection is looked at when lent, so a restarted server costs nothing."""

    def __init__(self, options: DatabaseOptions) -> None:
        self._options = options
        self._lifetime = options.max_lifetime.total_seconds()
        self._patience = options.acquire_timeout.total_seconds()
        self._slots = threading.Semaphore(options.pool_size)
        self._idle: deque[Connection] = deque()
        self._lock = threading.Lock()
        self._in_use = 0
        self._waiting = 0
        self._opened = 0
        self._exhausted = 0
        self._round_trips = 0
        self._is_closed = False

    def take(self, *, fresh: bool = False) -> Connection:
        """Borrow a connection; ``fresh`` opens a new one.

        Raises DatabaseUnavailable: code ``pool_exhausted`` when none came free in time.
        """
        if not self._slots.acquire(blocking=False):
            self._wait()
        try:
            connection = self._pick(fresh=fresh)
            if connection is None:
                connection = self._open()
        except BaseException:
            self._slots.release()
            raise
        with self._lock:
            self._in_use += 1
        return connection

    def give_back(self, connection: Connection) -> None:
        """Return what was borrowed; closed instead when it is out of step or too old."""
        is_kept = connection.is_reusable and not self._is_old(connection)
        with self._lock:
            self._in_use -= 1
            self._round_trips += connection.round_trips
            connection.round_trips = 0
            is_kept = is_kept and not self._is_closed
            if is_kept:
                self._idle.append(connection)
        self._slots.release()
        if not is_kept:
            connection.close()

    def stats(self) -> PoolStats:
        """Present gauges and totals."""
        with self._lock:
            return PoolStats(
                size=self._options.pool_size,
                in_use=self._in_use,
                idle=len(self._idle),
                waiting=self._waiting,
                opened_total=self._opened,
                exhausted_total=self._exhausted,
                round_trips_total=self._round_trips,
            )

    def close(self) -> None:
        """Close idle connections now and lent ones when they come back; idempotent."""
        with self._lock:
            self._is_closed = True
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _wait(self) -> None:
        with self._lock:
            self._waiting += 1
        try:
            if self._slots.acquire(timeout=self._patience):
                return
        finally:
            with self._lock:
                self._waiting -= 1
        with self._lock:
            self._exhausted += 1
        raise DatabaseUnavailable(
            f"no database connection came free within {self._patience:g} s",
            code="pool_exhausted",
            hint="raise DATABASE_POOL_MAX or look for slow statements",
        )

    def _pick(self, *, fresh: bool) -> Connection | None:
        """An idle connection that is alive. ``fresh`` only makes room for one to be opened."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not fresh and not self._is_old(connection) and connection.is_alive():
                return connection
            connection.close()
            if fresh:
                return None

    def _open(self) -> Connection:
        if self._is_closed:
            raise DatabaseUnavailable("the database pool is closed", code="pool_closed")
        connection = Connection(self._options)
        with self._lock:
            self._opened += 1
        return connection

    def _is_old(self, connection: Connection) -> bool:
        return time.monotonic() - connection.born_at > self._lifetime
