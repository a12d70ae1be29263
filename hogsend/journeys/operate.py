"""What operators can do with enrollments; every action is guarded by the present state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from hogsend.db import Executor, QueryFile
from hogsend.db.errors import UniqueViolation
from hogsend.errors import Conflict, NotFound

_Q = QueryFile(__package__, "operate.sql")
_STRANDED_AFTER = timedelta(minutes=5)
_REPAIRS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """Enrollments that nothing would have moved again.

    ``without_wait``: waiting for nothing. ``without_wake``: the wait is over and nobody was told.
    ``without_work``: active and not in the outbox.
    """

    without_wait: int
    without_wake: int
    without_work: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.without_wait + self.without_wake + self.without_work


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why somebody did not enter a journey, and how often."""

    journey_id: str
    reason: str
    times: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageRow:
    """One enrollment of a person."""

    id: UUID
    journey_id: str
    status: str
    node: str
    created_at: datetime
    exit_reason: str | None
    error: str | None


def cancel(db: Executor, state_id: UUID, *, reason: str = "operator") -> None:
    """End a live enrollment. Raises NotFound, or Conflict when it is over already."""
    if not db.run(_Q["cancel_enrollment"], state_id=state_id, reason=reason):
        raise _refused(db, state_id, "is over already")


def skip_wait(db: Executor, state_id: UUID) -> str:
    """End the open wait now, as if its time had run out; answers its label.

    Raises NotFound, or Conflict when the enrollment does not wait.
    """
    rows = db.run(_Q["skip_wait"], state_id=state_id)
    if not rows:
        raise _refused(db, state_id, "does not wait")
    return str(rows[0][0])


def resume(db: Executor, state_id: UUID) -> None:
    """Try a failed enrollment again, from its last recorded step.

    Raises NotFound, or Conflict when it has not failed or the person has entered again since.
    """
    try:
        rows = db.run(_Q["resume_enrollment"], state_id=state_id)
    except UniqueViolation as error:
        raise Conflict(
            "the person is inside this journey again", hint="cancel that enrollment first"
        ) from error
    if not rows:
        raise _refused(db, state_id, "has not failed")


def reconcile(db: Executor, *, older_than: timedelta = _STRANDED_AFTER) -> Repairs:
    """Find and repair enrollments no row would move again. Zero everywhere is the rule."""
    row = db.run(_Q["reconcile"], older_than_seconds=older_than.total_seconds(), limit=_REPAIRS)[0]
    repairs = Repairs(without_wait=int(row[0]), without_wake=int(row[1]), without_work=int(row[2]))
    if repairs.total:
        structlog.get_logger().error(
            "journey.reconciled",
            without_wait=repairs.without_wait,
            without_wake=repairs.without_wake,
            without_work=repairs.without_work,
        )
    return repairs


def count_enrollments(db: Executor) -> dict[str, dict[str, int]]:
    """Enrollments by journey and status."""
    counts: dict[str, dict[str, int]] = {}
    for journey_id, status, count in db.run(_Q["count_enrollments"]):
        counts.setdefault(journey_id, {})[status] = int(count)
    return counts


def list_disabled(db: Executor) -> set[str]:
    """Journeys an administrator has switched off."""
    return {journey_id for journey_id, enabled in db.run(_Q["list_overrides"]) if not enabled}


def list_refusals(db: Executor, user_id: str, *, journey_id: str | None = None) -> list[Refusal]:
    """Why this person did not enter, newest first."""
    rows = db.run(_Q["list_refusals"], user_id=user_id, journey_id=journey_id)
    return [
        Refusal(journey_id=r[0], reason=r[1], times=r[2], first_at=r[3], last_at=r[4]) for r in rows
    ]


def list_passages(db: Executor, user_id: str, *, journey_id: str | None = None) -> list[PassageRow]:
    """This person's enrollments, newest first."""
    rows = db.run(_Q["list_passages"], user_id=user_id, journey_id=journey_id)
    return [
        PassageRow(
            id=r[0],
            journey_id=r[1],
            status=r[2],
            node=r[3],
            created_at=r[4],
            exit_reason=r[5],
            error=r[6],
        )
        for r in rows
    ]


def _refused(db: Executor, state_id: UUID, problem: str) -> NotFound | Conflict:
    rows = db.run(_Q["find_enrollment"], state_id=state_id)
    if not rows:
        return NotFound(f"there is no enrollment {state_id}")
    return Conflict(f"enrollment {state_id} {problem}: it is {rows[0][2]}")
