"""Statements and transactions over the pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from hogsend.db.connection import Connection
from hogsend.db.dsn import DatabaseOptions
from hogsend.db.listener import Listener
from hogsend.db.pool import Pool, PoolStats
from hogsend.db.queries import Query

_BEGIN = Query("begin", "BEGIN", ())
_COMMIT = Query("commit", "COMMIT", ())
_ROLLBACK = Query("rollback", "ROLLBACK", ())


class Executor(Protocol):
    """What a store needs: a Database (autocommit) or a Transaction."""

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        """Execute one statement; rows are tuples in column order. Raises DatabaseError."""
        ...


class Transaction:
    """Statements that commit together; made by Database.transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        """Execute one statement inside the transaction."""
        return self._connection.run(query, params)


class Database:
    """A bounded pool of prepared connections; thread-safe, opens nothing until used."""

    def __init__(self, options: DatabaseOptions) -> None:
        self.options = options
        self._pool = Pool(options)

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        """Execute one statement in its own transaction: one round trip."""
        with self._pool.lease() as connection:
            return connection.run(query, params)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit at the end, roll back when the block raises."""
        with self._pool.lease() as connection:
            connection.run(_BEGIN, {})
            try:
                yield Transaction(connection)
            except BaseException:
                if not connection.is_broken:
                    connection.run(_ROLLBACK, {})
                raise
            connection.run(_COMMIT, {})

    def listener(self, channels: Sequence[str]) -> Listener:
        """A connection of its own that waits for NOTIFY on these channels."""
        return Listener(self.options, channels)

    def warm(self, count: int) -> None:
        """Open connections ahead of need; raises DatabaseUnavailable."""
        self._pool.warm(count)

    def stats(self) -> PoolStats:
        """Gauges of the pool."""
        return self._pool.stats()

    def close(self) -> None:
        """Close the pool; idempotent."""
        self._pool.close()
