"""Addresses that must not be written to, whoever they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from hogsend.db import Executor, QueryFile

_Q = QueryFile(__package__, "suppression.sql")

Reason = Literal["bounce", "complaint", "manual", "import"]
SuppressionType = Literal["bounced", "complained", "unsubscribed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """``suppressed_at`` None: bounces are counted, mail still goes out."""

    email: str
    reason: Reason
    bounce_count: int
    suppressed_at: datetime | None
    last_bounce_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedPerson:
    """An address as operators see it; ``id`` and ``user_id`` are those of its preference row."""

    id: UUID | None
    user_id: str | None
    email: str
    unsubscribed_all: bool
    suppressed: bool
    bounce_count: int
    categories: Mapping[str, bool]
    suppressed_at: datetime | None
    last_bounce_at: datetime | None
    reason: Reason | None
    updated_at: datetime


def find_suppression(db: Executor, email: str) -> Suppression | None:
    """What is known about a normalised address."""
    rows = db.run(_Q["find_suppression"], email=email)
    if not rows:
        return None
    return Suppression(
        email=rows[0][0],
        reason=rows[0][1],
        bounce_count=rows[0][2],
        suppressed_at=rows[0][3],
        last_bounce_at=rows[0][4],
    )


def suppress(db: Executor, emails: Iterable[str], *, reason: Reason, at: datetime) -> list[str]:
    """Stop normalised addresses; answers those that were not stopped before."""
    rows = db.run(_Q["suppress"], emails=list(emails), reason=reason, at=at)
    return [row[0] for row in rows]


def unsuppress(db: Executor, email: str) -> bool:
    """Let an address have mail again; False when nothing stopped it."""
    return bool(db.run(_Q["unsuppress"], email=email))


def list_suppressions(
    db: Executor, *, type: SuppressionType | None = None, limit: int = 50, offset: int = 0
) -> tuple[list[SuppressedPerson], int]:
    """One page, last changed first, and how many there are."""
    rows = db.run(_Q["list_suppressions"], type=type, limit=limit, offset=offset)
    people = [
        SuppressedPerson(
            id=row[1],
            user_id=row[2],
            email=row[3],
            unsubscribed_all=row[4],
            suppressed=row[5],
            bounce_count=row[6],
            categories=row[7],
            suppressed_at=row[8],
            last_bounce_at=row[9],
            reason=row[10],
            updated_at=row[11],
        )
        for row in rows
    ]
    return people, int(rows[0][0]) if rows else 0
