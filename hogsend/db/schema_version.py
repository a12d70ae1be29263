"""Does the database have the schema that this build needs?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hogsend.db.database import Executor
from hogsend.db.migration_files import Migration, load_client_track, load_engine_track
from hogsend.db.migration_ledger import Plan, make_plan, read_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackStatus:
    """One track: names of the newest applied and the newest required migration, None for none."""

    applied: str | None
    required: str | None
    in_sync: bool
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStatus:
    """Both tracks; a database ahead of this build counts as in sync."""

    engine: TrackStatus
    client: TrackStatus

    @property
    def in_sync(self) -> bool:
        """True when neither track is behind."""
        return self.engine.in_sync and self.client.in_sync


def probe(db: Executor, *, client_folder: Path | None = None) -> SchemaStatus:
    """Ask the ledger, one query; a database without one has everything pending.

    Raises DatabaseUnavailable when there is no answer: that never means "behind".
    """
    entries = read_entries(db)
    return SchemaStatus(
        engine=_to_status(make_plan("engine", _engine_track(), entries["engine"])),
        client=_to_status(make_plan("client", load_client_track(client_folder), entries["client"])),
    )


@lru_cache(maxsize=1)
def _engine_track() -> tuple[Migration, ...]:
    return load_engine_track()


def _to_status(plan: Plan) -> TrackStatus:
    pending = tuple(migration.name for migration in plan.pending)
    return TrackStatus(
        applied=plan.applied, required=plan.required, in_sync=not pending, pending=pending
    )
