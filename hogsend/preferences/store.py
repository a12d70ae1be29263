"""Typed queries on preferences, one function each."""

from __future__ import annotations

from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.preferences.models import Consent, Person, Preferences, RecordedChange

_Q = QueryFile(__package__, "preferences.sql")


def get_consent(
    db: Executor, email: str, *, contact_id: UUID | None = None, category: str | None = None
) -> Consent:
    """What this person allows; ``email`` is normalised. No row means everything is allowed."""
    suppressed, unsubscribed, category_refused = db.run(
        _Q["get_consent"], email=email, contact_id=contact_id, category=category
    )[0]
    return Consent(
        suppressed=suppressed, unsubscribed=unsubscribed, category_refused=category_refused
    )


def set_preference(
    db: Executor, person: Person, *, category: str | None, subscribed: bool, source: str
) -> bool:
    """Write one answer and record it; False when it was the same before.

    ``category`` None means every mail. Taking back a refusal takes back all of this address and
    contact.
    """
    rows = db.run(
        _Q["set_preference"],
        user_id=person.user_id,
        email=person.email,
        contact_id=person.contact_id,
        category=category,
        subscribed=subscribed,
        source=source,
    )
    return bool(rows[0][0])


def get_preferences(
    db: Executor,
    *,
    user_id: str | None = None,
    email: str | None = None,
    contact_id: UUID | None = None,
) -> Preferences:
    """Everything said under this address, contact or (without a contact) key."""
    rows = db.run(_Q["get_preferences"], user_id=user_id, email=email, contact_id=contact_id)
    categories, unsubscribed_all, suppressed = rows[0]
    return Preferences(
        categories=categories, unsubscribed_all=unsubscribed_all, suppressed=suppressed
    )


def find_person(
    db: Executor, *, external_id: str | None, email: str | None
) -> tuple[UUID, str | None, str | None] | None:
    """Contact id, external id and address of the live contact these keys name."""
    rows = db.run(_Q["find_person"], external_id=external_id, email=email)
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def find_anonymous(db: Executor, anonymous_id: str) -> tuple[UUID, str | None, str | None] | None:
    """Contact id, external id and address of the live contact with this anonymous id."""
    rows = db.run(_Q["find_anonymous"], anonymous_id=anonymous_id)
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def get_person(db: Executor, contact_id: UUID) -> tuple[str | None, str | None] | None:
    """External id and address of a live contact."""
    rows = db.run(_Q["get_person"], contact_id=contact_id)
    return (rows[0][0], rows[0][1]) if rows else None


def list_changes(
    db: Executor, *, email: str, contact_id: UUID | None = None, limit: int = 50
) -> list[RecordedChange]:
    """What this person changed, newest first."""
    rows = db.run(_Q["list_changes"], email=email, contact_id=contact_id, limit=limit)
    return [
        RecordedChange(category=r[0], subscribed=r[1], source=r[2], changed_at=r[3]) for r in rows
    ]
