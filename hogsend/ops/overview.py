"""What an operator wants to see first: queues, people under way, the last mails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.outbox.store import Backlog, measure_backlog

_Q = QueryFile(__package__, "overview.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """``late_seconds`` is how long the oldest due wait has been due; ``contacts`` an estimate."""

    outbox: Backlog
    waiting: int
    due: int
    late_seconds: float
    under_way: int
    contacts: int
    events_last_hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRow:
    """One mail of the ledger as a list shows it."""

    id: UUID
    to: str
    subject: str
    template: str | None
    status: str
    reason: str | None
    provider: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDetail:
    """One mail of the ledger with everything an operator asks about it."""

    row: SendRow
    sender: str
    intended_to: str | None
    message_id: str | None
    category: str | None
    enrollment_id: UUID | None
    sent_at: datetime | None


def read_overview(db: Executor) -> Overview:
    """Two statements; raises DatabaseError."""
    row = db.run(_Q["read_overview"])[0]
    return Overview(
        outbox=measure_backlog(db),
        waiting=int(row[0]),
        due=int(row[1]),
        late_seconds=float(row[2]),
        under_way=int(row[3]),
        contacts=int(row[4]),
        events_last_hour=int(row[5]),
    )


def list_recent_sends(
    db: Executor, *, limit: int = 20, before_id: UUID | None = None
) -> list[SendRow]:
    """Newest mails first; ``before_id`` of the last row pages on."""
    rows = db.run(_Q["list_recent_sends"], limit=limit, before_id=before_id)
    return [_to_row(row) for row in rows]


def find_send(db: Executor, send_id: UUID) -> SendDetail | None:
    """One mail of the ledger."""
    rows = db.run(_Q["get_send"], id=send_id)
    if not rows:
        return None
    row = rows[0]
    return SendDetail(
        row=_to_row(row),
        sender=row[8],
        intended_to=row[9],
        message_id=row[10],
        category=row[11],
        enrollment_id=row[12],
        sent_at=row[13],
    )


def _to_row(row: tuple[Any, ...]) -> SendRow:
    return SendRow(
        id=row[0],
        to=row[1],
        subject=row[2],
        template=row[3],
        status=row[4],
        reason=row[5],
        provider=row[6],
        created_at=row[7],
    )
