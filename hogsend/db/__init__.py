"""PostgreSQL: one pool, one round trip per statement, SQL in files."""

from hogsend.db.database import Database, Executor, Transaction
from hogsend.db.listener import Listener, Notification
from hogsend.db.options import DatabaseOptions
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
