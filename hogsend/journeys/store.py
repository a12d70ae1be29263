"""Typed access to enrollments, their journal and their waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.db.errors import DeadlockDetected, SerializationFailure
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import (
    Begun,
    Item,
    LogEntry,
    Settled,
    Settlement,
    Step,
    logs_json,
    steps_json,
)
from hogsend.journeys.rows import to_enrollment

_Q = QueryFile(__package__, "journeys.sql")
_ATTEMPTS = 3


def begin_advances(
    db: Executor,
    journey: JourneyDefinition,
    items: Sequence[Item],
    *,
    holder: UUID,
    lease: timedelta,
    new_id: Callable[[], UUID],
) -> list[Begun]:
    """Take the items that nobody else holds, enroll those that start; one round trip.

    Items that are missing in the answer belong to somebody else.
    """
    wanted = [
        {
            "outbox": item.outbox_id,
            "state": item.state_id,
            "event": item.event_id,
            "new_state": None if item.state_id else new_id(),
        }
        for item in items
    ]
    rows = _with_retry(
        lambda: db.run(
            _Q["begin_advances"],
            journey=journey.meta.id,
            spec=journey.to_spec(),
            items=wanted,
            holder=holder,
            lease_seconds=lease.total_seconds(),
        )
    )
    return [_to_begun(row, journey.meta.id) for row in rows]


def settle_advances(
    db: Executor, journey_id: str, settlements: Sequence[Settlement], *, holder: UUID
) -> list[Settled]:
    """Write what a batch of advances left behind; one round trip."""
    items = [settlement.to_json() for settlement in settlements]
    rows = _with_retry(
        lambda: db.run(_Q["settle_advances"], journey=journey_id, holder=holder, items=items)
    )
    return [Settled(outbox_id=row[0], is_settled=row[1], is_woken=row[2]) for row in rows]


def record_steps(
    db: Executor,
    state_id: UUID,
    *,
    generation: int,
    steps: Sequence[Step],
    first_seq: int,
    logs: Sequence[LogEntry] = (),
) -> bool:
    """Keep steps now, and what is logged about them: a replay that finds a step logs nothing.

    False when the enrollment is over or belongs to somebody else.
    """
    rows = db.run(
        _Q["record_steps"],
        state_id=state_id,
        generation=generation,
        steps=steps_json(steps, first_seq=first_seq),
        logs=logs_json(logs),
    )
    return bool(rows)


def wake_due(db: Executor, *, limit: int) -> tuple[int, float | None]:
    """Move due waits to the outbox: how many, and seconds until the next is due."""
    moved, next_seconds = db.run(_Q["wake_due"], limit=limit)[0]
    return int(moved), next_seconds


def _with_retry(call: Callable[[], list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    """Repeat what lost against another transaction; nothing of it was written."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return call()
        except (DeadlockDetected, SerializationFailure):
            continue
    return call()


def _to_begun(row: tuple[Any, ...], journey_id: str) -> Begun:
    outbox_id, verdict, reason, state_id, *columns = row
    enrollment = None
    if verdict == "run":
        enrollment = to_enrollment(
            columns, state_id=state_id, journey_id=journey_id, outbox_id=outbox_id
        )
    return Begun(
        outbox_id=outbox_id,
        verdict=verdict,
        reason=reason,
        state_id=state_id,
        enrollment=enrollment,
    )
