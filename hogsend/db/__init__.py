"""PostgreSQL: pool, prepared statements, named queries, errors by SQLSTATE."""

from hogsend.db.connection import Notification
from hogsend.db.database import Database, Executor, Transaction
from hogsend.db.dsn import DatabaseOptions
from hogsend.db.listener import Listener
from hogsend.db.pool import PoolStats
from hogsend.db.queries import Query, QueryFile

__all__ = [
    "Database",
    "DatabaseOptions",
    "Executor",
    "Listener",
    "Notification",
    "PoolStats",
    "Query",
    "QueryFile",
    "Transaction",
]
