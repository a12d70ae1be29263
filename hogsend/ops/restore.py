"""What an operator does with a database that was restored: look, accept, fence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hogsend.db import Database, QueryFile, home

_Q = QueryFile(__package__, "restore.sql")
_PARKED = "restore: was due before this database was accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``reason`` None: at home. What is due would be sent at once; ``oldest`` is since when."""

    reason: str | None
    promises: int
    sleepers: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """How many promises and sleepers were put aside."""

    promises: int
    sleepers: int


def read_standing(db: Database) -> Standing:
    """Raises DatabaseError."""
    reason = home.find_reason(db, db.options)
    promises, sleepers, oldest = db.run(_Q["count_due"])[0]
    return Standing(reason=reason, promises=promises, sleepers=sleepers, oldest=oldest)


def confirm(db: Database, *, park_before: datetime | None, new_id: UUID) -> Parked:
    """This database is the installation from now on; both in one transaction."""
    parked = Parked(promises=0, sleepers=0)
    # Outside the transaction: a role that may not ask about the cluster would break it.
    place = home.read_place(db)
    with db.transaction() as tx:
        if park_before is not None:
            promises, sleepers = tx.run(_Q["park_due"], before=park_before, error=_PARKED)[0]
            parked = Parked(promises=promises, sleepers=sleepers)
        home.accept(tx, db.options, place=place, new_id=new_id)
    return parked


def fence(db: Database, *, new_id: UUID) -> None:
    """Nothing is sent from this database until somebody confirms it."""
    home.fence(db, db.options, new_id=new_id)
