"""Statements and transactions over a pool."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from hogsend.db.connection import Connection
from hogsend.db.errors import DatabaseError, DatabaseUnavailable, StatementInvalidated
from hogsend.db.listener import Listener
from hogsend.db.options import DatabaseOptions
from hogsend.db.pool import Pool, PoolStats
from hogsend.db.queries import Query
from hogsend.db.values import Encoded, bind


class Executor(Protocol):
    """Runs statements: a ``Database`` (each its own transaction) or a ``Transaction``."""

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        """Rows as tuples in column order; empty for statements without rows."""
        ...


class Transaction:
    """Statements that happen together or not at all; valid inside its ``with`` block only."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._has_begun = False
        self._is_over = False

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        """One statement, one round trip; BEGIN travels with the first."""
        values = bind(query, params)
        if self._is_over or (self._has_begun and not self._connection.is_in_transaction):
            raise RuntimeError("the transaction is over")
        begin, self._has_begun = not self._has_begun, True
        try:
            return self._connection.execute(query.sql, values, begin=begin)
        except StatementInvalidated:
            self._connection.forget(query.sql)
            raise

    def _end(self) -> None:
        self._is_over = True
        if not self._has_begun:
            return
        if self._connection.has_failed_transaction:
            self._connection.script("ROLLBACK")
            raise DatabaseError(
                "a statement of the transaction failed, so nothing was committed",
                code="transaction_aborted",
                sqlstate="25P02",
            )
        self._connection.script("COMMIT")

    def _abandon(self) -> None:
        self._is_over = True
        if self._connection.is_in_transaction:
            try:
                self._connection.script("ROLLBACK")
            except DatabaseError:
                return  # the pool closes it, which rolls back too


class Database:
    """A pool of connections to one PostgreSQL; thread-safe, opens nothing until it is used."""

    def __init__(self, options: DatabaseOptions) -> None:
        self.options = options
        self._pool = Pool(options)
        self._here = threading.local()

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        """One statement in a transaction of its own, one round trip.

        A dead connection is replaced and a stale prepared statement renewed unnoticed, but a
        statement that may have run is never repeated. Raises ``hogsend.db.errors``.
        """
        values = bind(query, params)
        try:
            return self._once(query.sql, values)
        except DatabaseUnavailable as error:
            if error.may_have_run or not error.was_connected:
                raise
        return self._once(query.sql, values, fresh=True)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit at the end of the block, roll back on any exception.

        Raises RuntimeError inside another transaction of this thread: the inner one would not be
        part of the outer one, and could wait for a lock or a connection that the outer one has.
        """
        if getattr(self._here, "is_in_transaction", False):
            raise RuntimeError("this thread is in a transaction of this database already")
        connection = self._pool.take()
        self._here.is_in_transaction = True
        try:
            transaction = Transaction(connection)
            try:
                yield transaction
            except BaseException:
                transaction._abandon()
                raise
            transaction._end()
        finally:
            self._here.is_in_transaction = False
            self._pool.give_back(connection)

    def listener(self, channels: Sequence[str]) -> Listener:
        """Hear NOTIFY on these channels, on a connection outside the pool."""
        return Listener(self.options, channels)

    def warm(self, count: int) -> None:
        """Open up to ``count`` connections now, so that the first requests need not."""
        taken: list[Connection] = []
        try:
            for _ in range(min(count, self.options.pool_size)):
                taken.append(self._pool.take())
        finally:
            for connection in taken:
                self._pool.give_back(connection)

    def stats(self) -> PoolStats:
        """Present gauges of the pool."""
        return self._pool.stats()

    def close(self) -> None:
        """Close every connection; idempotent."""
        self._pool.close()

    def _once(
        self, sql: str, values: Sequence[Encoded], *, fresh: bool = False
    ) -> list[tuple[Any, ...]]:
        connection = self._pool.take(fresh=fresh)
        try:
            return connection.execute(sql, values)
        except StatementInvalidated:
            # Again on this very connection: others of the pool may hold the stale one as well.
            connection.forget(sql)
            return connection.execute(sql, values)
        finally:
            self._pool.give_back(connection)
