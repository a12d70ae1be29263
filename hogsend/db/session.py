"""One connection outside the pool, as an executor: for migrations and locks."""

from __future__ import annotations

from typing import Any

from hogsend.db.connection import Connection
from hogsend.db.options import DatabaseOptions
from hogsend.db.queries import Query
from hogsend.db.values import bind
from hogsend.kernel.lifetimes import Closing


class Session(Closing):
    """Holds session state (advisory locks, SET); used by one thread, never reconnects."""

    def __init__(self, options: DatabaseOptions) -> None:
        self._connection = Connection(options)

    @property
    def is_in_transaction(self) -> bool:
        """True from BEGIN to COMMIT or ROLLBACK."""
        return self._connection.is_in_transaction

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        """One statement; raises DatabaseUnavailable once the connection is gone."""
        return self._connection.execute(query.sql, bind(query, params))

    def script(self, sql: str) -> None:
        """Any number of statements without parameters; rows are dropped."""
        self._connection.script(sql)

    def close(self) -> None:
        """Drop the connection and with it every lock; idempotent."""
        self._connection.close()
