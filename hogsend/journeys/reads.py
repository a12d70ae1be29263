"""What journeys ask about a person; every answer is recorded before it may influence anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.kernel.wire_json import JsonObject, JsonValue

_Q = QueryFile(__package__, "reads.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose rows: those of the contact, or, for somebody without one, those of the key."""

    contact_id: UUID | None
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something the person did."""

    event: str
    properties: JsonObject
    occurred_at: datetime


def count_events(
    db: Executor, subject: Subject, event: str, *, within: timedelta | None = None
) -> int:
    """How often they did it, ever or in the last ``within``."""
    rows = db.run(_Q["count_events"], event=event, **_who(subject), **_window(within))
    return int(rows[0][0])


def count_group_events(
    db: Executor, group: tuple[str, str], event: str, *, within: timedelta
) -> int:
    """How often anybody of a group (type, key) did it in the last ``within``."""
    rows = db.run(
        _Q["count_group_events"],
        event=event,
        group_type=group[0],
        group_key=group[1],
        **_window(within),
    )
    return int(rows[0][0])


def find_subject(db: Executor, user_id: str) -> Subject:
    """Who a user id names; somebody nobody knows has no contact and did nothing."""
    contact_id = db.run(_Q["find_subject"], user_id=user_id)[0][0]
    return Subject(contact_id=contact_id, user_id=user_id)


def list_events(
    db: Executor,
    subject: Subject,
    *,
    event: str | None = None,
    within: timedelta | None = None,
    limit: int = 50,
) -> list[EventRow]:
    """What they did, newest first."""
    rows = db.run(_Q["list_events"], event=event, limit=limit, **_who(subject), **_window(within))
    return [EventRow(event=row[0], properties=row[1], occurred_at=row[2]) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestBounds:
    """When the trigger arrived, and when the person's digest before this one ended, if ever."""

    trigger_received_at: datetime | None
    last_ended_at: datetime | None


def read_digest_bounds(
    db: Executor,
    subject: Subject,
    *,
    journey_id: str,
    wait_key: str,
    trigger_event_id: UUID | None,
    until: datetime,
) -> DigestBounds:
    """What a digest that ends at ``until`` has to begin with, and must not repeat.

    ``wait_key`` is the journal key of its pause, without the number of its use.
    """
    rows = db.run(
        _Q["read_digest_bounds"],
        journey_id=journey_id,
        wait_key=wait_key,
        trigger_event_id=trigger_event_id,
        until=until,
        **_who(subject),
    )
    received_at, ended_at = rows[0]
    return DigestBounds(trigger_received_at=received_at, last_ended_at=ended_at)


def list_digest(
    db: Executor,
    subject: Subject,
    *,
    event: str,
    since: datetime,
    until: datetime,
    arrived_after: datetime | None,
    predicate: JsonValue,
    limit: int,
) -> list[EventRow]:
    """Events of one name between two instants that meet the predicate, oldest first.

    ``arrived_after``: what was stored until then is left out, however it is dated.
    """
    rows = db.run(
        _Q["list_digest"],
        event=event,
        since=since,
        until=until,
        arrived_after=arrived_after,
        predicate=predicate,
        limit=limit,
        **_who(subject),
    )
    return [EventRow(event=event, properties=row[0], occurred_at=row[1]) for row in rows]


def read_journey(db: Executor, subject: Subject, journey_id: str) -> tuple[int, datetime | None]:
    """How often they entered a journey (this time included) and when they last completed it."""
    entries, completed_at = db.run(_Q["read_journey"], journey_id=journey_id, **_who(subject))[0]
    return int(entries), completed_at


def read_email(db: Executor, address: str, template: str) -> tuple[int, datetime | None]:
    """How many mails of a template went to an address, and when the last one did."""
    count, sent_at = db.run(_Q["read_email"], address=address, template=template)[0]
    return int(count), sent_at


def count_sends(
    db: Executor, address: str, *, window: timedelta, category: str | None = None
) -> int:
    """Mails to an address in a window, without those that were not sent."""
    rows = db.run(
        _Q["count_sends"],
        address=address,
        window_seconds=window.total_seconds(),
        category=category,
    )
    return int(rows[0][0])


def find_trigger_group(db: Executor, event_id: UUID | None, group_type: str) -> str | None:
    """The group the event named."""
    rows = db.run(_Q["find_trigger_group"], event_id=event_id, group_type=group_type)
    return rows[0][0] if rows else None


def list_group_keys(db: Executor, contact_id: UUID | None, group_type: str) -> list[str]:
    """The person's groups of a type; at most two are answered."""
    rows = db.run(_Q["list_group_keys"], contact_id=contact_id, group_type=group_type)
    return [row[0] for row in rows]


def _who(subject: Subject) -> dict[str, object]:
    return {"contact_id": subject.contact_id, "user_id": subject.user_id}


def _window(within: timedelta | None) -> dict[str, object]:
    return {"within_seconds": None if within is None else within.total_seconds()}
