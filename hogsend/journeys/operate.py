"""What operators can do with enrollments; every action is guarded by the present state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from hogsend.db import Executor, QueryFile
from hogsend.db.errors import UniqueViolation
from hogsend.errors import Conflict, NotFound
from hogsend.journeys.meta import JourneyDefinition
from hogsend.kernel.wire_json import JsonValue

_Q = QueryFile(__package__, "operate.sql")
_STRANDED_AFTER = timedelta(minutes=5)
_REPAIRS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """Enrollments in a state that no row should allow, each repaired.

    ``without_wait``: waiting for nothing. ``without_wake``: the wait is over and nobody was told.
    ``without_work``: active and not in the outbox. ``of_nobody``: the person was deleted or merged.
    ``over``: a wait of an enrollment that has ended. ``late`` is no repair: waits that were due an
    hour ago, because the timers do not keep up.
    """

    without_wait: int
    without_wake: int
    without_work: int
    of_nobody: int
    over: int
    late: int

    @property
    def by_kind(self) -> dict[str, int]:
        """How many of each kind were repaired."""
        return {kind: count for kind, count in asdict(self).items() if kind != "late"}

    @property
    def total(self) -> int:
        """All that were repaired."""
        return sum(self.by_kind.values())


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


def resume(
    db: Executor, state_id: UUID, *, journeys: Mapping[str, JourneyDefinition] | None = None
) -> None:
    """Try a failed enrollment again, from its last recorded step.

    ``journeys`` are those of the app, for their exits. Raises NotFound, or Conflict when it has not
    failed, the person has entered again or did something that ends the journey since, or was
    deleted.
    """
    try:
        (answer,) = db.run(
            _Q["resume_enrollment"],
            state_id=state_id,
            exits=_exits(db, state_id, journeys or {}),
        )[0]
    except UniqueViolation as error:
        raise Conflict(
            "the person is inside this journey again", hint="cancel that enrollment first"
        ) from error
    if answer is None:
        return
    if answer == "deleted":
        raise Conflict(f"enrollment {state_id} is of somebody who was deleted")
    if answer.startswith("exit:"):
        event = answer.removeprefix("exit:")
        raise Conflict(
            f"{event!r} came since enrollment {state_id} failed, and ends its journey",
            hint="the person would have left: there is nothing to resume",
        )
    raise _refused(db, state_id, "has not failed")


def switch(db: Executor, journey_id: str, *, enabled: bool) -> None:
    """Let nobody in, or take that back. Those inside go on; a journey that is off in code stays
    off."""
    db.run(_Q["switch"], journey_id=journey_id, enabled=enabled)


def reconcile(db: Executor, *, older_than: timedelta = _STRANDED_AFTER) -> Repairs:
    """Find and repair enrollments no row would move again. Zero everywhere is the rule."""
    row = db.run(_Q["reconcile"], older_than_seconds=older_than.total_seconds(), limit=_REPAIRS)[0]
    names = ("without_wait", "without_wake", "without_work", "of_nobody", "over", "late")
    repairs = Repairs(**{name: int(count) for name, count in zip(names, row, strict=True)})
    log = structlog.get_logger()
    if repairs.total:
        log.error("journey.reconciled", **repairs.by_kind)
    if repairs.late:
        log.error(
            "journey.waits_late",
            waits=repairs.late,
            hint="waits that were due an hour ago are open: is a worker running, and fast enough?",
        )
    return repairs


def _exits(db: Executor, state_id: UUID, journeys: Mapping[str, JourneyDefinition]) -> JsonValue:
    rows = db.run(_Q["find_enrollment"], state_id=state_id)
    definition = journeys.get(rows[0][0]) if rows else None
    return [] if definition is None else definition.to_spec()["exits"]


def _refused(db: Executor, state_id: UUID, problem: str) -> NotFound | Conflict:
    rows = db.run(_Q["find_enrollment"], state_id=state_id)
    if not rows:
        return NotFound(f"there is no enrollment {state_id}")
    return Conflict(f"enrollment {state_id} {problem}: it is {rows[0][2]}")
