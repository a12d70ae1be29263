"""Who is where, and why somebody did not enter a journey."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hogsend.conditions.evaluate import evaluate
from hogsend.db import Executor, QueryFile
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.reads import Subject
from hogsend.journeys.registry import DISABLED, UNMET, scalars_of

_Q = QueryFile(__package__, "explain.sql")
_MOST_TRIGGERS = 100

ELSEWHERE = "journey_does_not_run_here"
NEVER = "never_triggered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why somebody did not enter a journey, how often and when; the instants are those of the
    decisions, or of the events that caused none. ``times`` 0: there was nothing to decide."""

    journey_id: str
    reason: str
    times: int
    first_at: datetime | None
    last_at: datetime | None


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


def count_enrollments(db: Executor) -> dict[str, dict[str, int]]:
    """Enrollments by journey and status."""
    counts: dict[str, dict[str, int]] = {}
    for journey_id, status, count in db.run(_Q["count_enrollments"]):
        counts.setdefault(journey_id, {})[status] = int(count)
    return counts


def list_disabled(db: Executor) -> set[str]:
    """Journeys an administrator has switched off."""
    return {journey_id for journey_id, enabled in db.run(_Q["list_overrides"]) if not enabled}


def find_person(db: Executor, key: str) -> Subject:
    """Whom a user id, an address or an anonymous id names; a key nobody has names its own rows."""
    return Subject(contact_id=db.run(_Q["find_person"], key=key)[0][0], user_id=key)


def list_refusals(db: Executor, person: Subject, *, journey_id: str | None = None) -> list[Refusal]:
    """What guards decided about this person, newest first."""
    rows = db.run(_Q["list_refusals"], journey_id=journey_id, **_who(person))
    return [
        Refusal(journey_id=r[0], reason=r[1], times=r[2], first_at=r[3], last_at=r[4]) for r in rows
    ]


def list_passages(
    db: Executor, person: Subject, *, journey_id: str | None = None
) -> list[PassageRow]:
    """This person's enrollments, newest first."""
    rows = db.run(_Q["list_passages"], journey_id=journey_id, **_who(person))
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


def list_unheard(
    db: Executor,
    person: Subject,
    journeys: Iterable[JourneyDefinition],
    *,
    runs_here: Callable[[str], bool],
) -> list[Refusal]:
    """Refusals that were never written down: the first guards are asked when an event arrives,
    without a trace. They are asked again here, by the present code, for the newest trigger events
    of the person. A journey nothing ever triggered is there with ``never_triggered``.
    """
    found: list[Refusal] = []
    for journey in journeys:
        meta = journey.meta
        rows = db.run(
            _Q["list_triggers"], event=meta.trigger.event, limit=_MOST_TRIGGERS, **_who(person)
        )
        if not rows:
            found.append(_refusal(meta.id, NEVER, []))
            continue
        if not meta.enabled:
            found.append(_refusal(meta.id, DISABLED, [at for _, at in rows]))
            continue
        if not runs_here(meta.id):
            found.append(_refusal(meta.id, ELSEWHERE, [at for _, at in rows]))
            continue
        unmet = [at for properties, at in rows
                 if not evaluate(meta.trigger.where, scalars_of(properties))]  # fmt: skip
        if unmet:
            found.append(_refusal(meta.id, UNMET, unmet))
    return found


def _refusal(journey_id: str, reason: str, instants: list[datetime]) -> Refusal:
    return Refusal(
        journey_id=journey_id,
        reason=reason,
        times=len(instants),
        first_at=min(instants, default=None),
        last_at=max(instants, default=None),
    )


def _who(person: Subject) -> dict[str, object]:
    return {"contact_id": person.contact_id, "user_id": person.user_id}
