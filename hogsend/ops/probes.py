"""The probes behind health, on the real database and Redis."""

from __future__ import annotations

from pathlib import Path

from hogsend.db import Database, QueryFile, schema_version
from hogsend.db.schema_version import SchemaStatus
from hogsend.kernel.clock import Clock
from hogsend.kv import Kv, heartbeat
from hogsend.ops.health import Activity, WorkerSeen

_Q = QueryFile(__package__, "ops.sql")


class LiveProbes:
    """Implements ``Probes``; ``client_folder`` holds the migrations of the content, if any."""

    def __init__(
        self, *, db: Database, kv: Kv, clock: Clock, client_folder: Path | None = None
    ) -> None:
        self._db = db
        self._kv = kv
        self._clock = clock
        self._client_folder = client_folder

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
        return schema_version.probe(self._db, client_folder=self._client_folder)

    def activity(self) -> Activity:
        """Counts of the last 24 hours."""
        failed, completed, not_sent, sent = self._db.run(_Q["count_activity"])[0]
        return Activity(
            journeys_failed=failed,
            journeys_completed=completed,
            emails_failed=not_sent,
            emails_sent=sent,
        )
