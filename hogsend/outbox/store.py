"""Typed access to the ``outbox`` table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.kernel.wire_json import JsonObject
from hogsend.outbox.models import OutboxRow, ParkedRow

_Q = QueryFile(__package__, "outbox.sql")
_NEWEST = 2**62
_ERROR_LENGTH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Rows nobody works on (count, age of the oldest in seconds) and parked rows."""

    waiting: int
    oldest_seconds: float
    parked: int


def insert_row(
    db: Executor,
    *,
    topic: str,
    subject: str,
    payload: JsonObject,
    ref_id: UUID | None = None,
    dedupe_key: str | None = None,
    priority: int = 2,
    available_at: datetime | None = None,
) -> int | None:
    """Promise work; returns the row id, None when the dedupe key is already queued."""
    rows = db.run(
        _Q["insert_row"],
        topic=topic,
        subject=subject,
        ref_id=ref_id,
        dedupe_key=dedupe_key,
        payload=payload,
        priority=priority,
        available_at=available_at,
    )
    return int(rows[0][0]) if rows else None


def claim_due(db: Executor, *, limit: int, resubmit: timedelta) -> list[OutboxRow]:
    """Take due rows for hand-over; they become due again after the resubmit delay."""
    rows = db.run(_Q["claim_due"], limit=limit, resubmit_seconds=resubmit.total_seconds())
    claimed = [
        OutboxRow(
            id=row[0],
            topic=row[1],
            subject=row[2],
            ref_id=row[3],
            payload=row[4],
            priority=row[5],
            attempts=row[6],
        )
        for row in rows
    ]
    claimed.sort(key=lambda row: row.id)
    return claimed


def take(db: Executor, ids: Sequence[int], *, holder: UUID, lease: timedelta) -> set[int]:
    """Hold rows as an executor; returns the ids now held, without those another one holds."""
    rows = db.run(
        _Q["take_rows"], ids=list(ids), holder=holder, lease_seconds=lease.total_seconds()
    )
    return {int(row[0]) for row in rows}


def renew(db: Executor, ids: Sequence[int], *, holder: UUID, lease: timedelta) -> set[int]:
    """Prolong a lease; returns the ids still held."""
    rows = db.run(
        _Q["renew_rows"], ids=list(ids), holder=holder, lease_seconds=lease.total_seconds()
    )
    return {int(row[0]) for row in rows}


def delete_rows(db: Executor, ids: Sequence[int]) -> None:
    """Fulfilled rows leave the table."""
    db.run(_Q["delete_rows"], ids=list(ids))


def retry_rows(
    db: Executor, ids: Sequence[int], *, after: timedelta, error: str, is_counted: bool = True
) -> None:
    """Make rows due again later; rows an executor holds are left alone.

    With ``is_counted`` False the claim that brought them here is not counted as an attempt.
    """
    db.run(
        _Q["retry_rows"],
        ids=list(ids),
        after_seconds=after.total_seconds(),
        error=_storable(error),
        uncounted=0 if is_counted else 1,
    )


def park_row(db: Executor, row_id: int, *, error: str) -> None:
    """Take a poisoned row out of the queue."""
    db.run(_Q["park_row"], id=row_id, error=_storable(error))


def unpark_row(db: Executor, row_id: int) -> bool:
    """Put a parked row back; False when it is not parked."""
    return bool(db.run(_Q["unpark_row"], id=row_id))


def list_parked(db: Executor, *, limit: int = 50, before_id: int = _NEWEST) -> list[ParkedRow]:
    """Parked rows, newest first."""
    rows = db.run(_Q["list_parked"], limit=limit, before_id=before_id)
    return [
        ParkedRow(
            id=row[0],
            topic=row[1],
            subject=row[2],
            attempts=row[3],
            payload=row[4],
            last_error=row[5],
            parked_at=row[6],
            created_at=row[7],
        )
        for row in rows
    ]


def measure_backlog(db: Executor) -> Backlog:
    """Depth and age of the queue, for gauges."""
    waiting, oldest, parked = db.run(_Q["measure_backlog"])[0]
    return Backlog(waiting=int(waiting), oldest_seconds=float(oldest), parked=int(parked))


def poke(db: Executor) -> None:
    """Tell every relay that something is due."""
    db.run(_Q["poke"])


def _storable(error: str) -> str:
    """An error can quote anything; PostgreSQL stores neither NUL nor half a surrogate pair."""
    return error[:_ERROR_LENGTH].replace("\0", "\ufffd").encode(errors="replace").decode()
