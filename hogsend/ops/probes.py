"""The probes behind health, on the real database and Redis."""

from __future__ import annotations

from collections.abc import Callable

from hogsend.db import Database, QueryFile
from hogsend.db.schema_version import SchemaStatus
from hogsend.kernel.clock import Clock
from hogsend.kv import Kv, heartbeat
from hogsend.ops.health import Activity, WorkerSeen

_Q = QueryFile(__package__, "ops.sql")


class LiveProbes:
    """Implements ``Probes``; ``read_schema`` compares both migration tracks with the build."""

    def __init__(
        self, *, db: Database, kv: Kv, clock: Clock, read_schema: Callable[[], SchemaStatus]
    ) -> None:
        self._db = db
        self._kv = kv
        self._clock = clock
        self._read_schema = read_schema

    def database(self) -> None:
        """One round trip."""
        self._db.run(_Q["ping"])

    def redis(self) -> None:
        """One PING."""
        self._kv.ping()

    def worker(self) -> WorkerSeen:
        """The youngest heartbeat."""
        return WorkerSeen(last_seen_at=heartbeat.read(self._kv, now=self._clock.now()).last_seen_at)

    def schema(self) -> SchemaStatus:
        """Both tracks; raises DatabaseUnavailable."""
        return self._read_schema()

    def activity(self) -> Activity:
        """Counts of the last 24 hours."""
        failed, completed, not_sent, sent = self._db.run(_Q["count_activity"])[0]
        return Activity(
            journeys_failed=failed,
            journeys_completed=completed,
            emails_failed=not_sent,
            emails_sent=sent,
        )
