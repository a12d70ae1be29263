"""Typed access to contacts: one function per query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hogsend.contacts.models import Candidate, Contact, KeyKind, Keys
from hogsend.db import Executor, QueryFile
from hogsend.kernel.wire_json import JsonObject

_Q = QueryFile(__package__, "contacts.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentKeys:
    """The columns of a person after a write."""

    external_id: str | None
    email: str | None
    anonymous_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """Somebody who is being deleted."""

    id: UUID
    external_id: str | None
    email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An address that must not be written to; ``kind`` is ``suppressed`` or ``unsubscribed``."""

    email: str
    kind: str
    reason: str


def load_identity(db: Executor, keys: Keys) -> list[Candidate]:
    """Everybody the keys have to do with, locked until the transaction ends."""
    rows = db.run(
        _Q["load_identity"],
        external=keys.external,
        email=keys.email,
        anonymous=keys.anonymous,
        discord=keys.discord,
    )
    return [
        Candidate(
            id=row[0],
            external_id=row[1],
            email=row[2],
            anonymous_id=row[3],
            discord_id=row[4],
            first_seen_at=row[5],
            named_by=frozenset(KeyKind(kind) for kind in row[6]),
            keyed_by=frozenset(KeyKind(kind) for kind in row[7]),
        )
        for row in rows
    ]


def apply_resolution(db: Executor, plan: JsonObject) -> CurrentKeys:
    """Carry out a plan; see ``hogsend.apply_resolution_v1`` for its shape."""
    external_id, email, anonymous_id = db.run(_Q["apply_resolution"], plan=plan)[0]
    return CurrentKeys(external_id=external_id, email=email, anonymous_id=anonymous_id)


def find_contacts(
    db: Executor, *, external_id: str | None = None, email: str | None = None
) -> list[Contact]:
    """People either key names, oldest first; keys are in stored form."""
    return [_contact(r) for r in db.run(_Q["find_contacts"], external=external_id, email=email)]


def find_contact(db: Executor, contact_id: UUID) -> Contact | None:
    """A living person by row id, also one that was merged."""
    rows = db.run(_Q["get_contact"], id=contact_id)
    return _contact(rows[0]) if rows else None


def find_by_anonymous(db: Executor, anonymous_id: str) -> Contact | None:
    """The person an anonymous id names."""
    rows = db.run(_Q["find_by_anonymous"], anonymous=anonymous_id)
    return _contact(rows[0]) if rows else None


def collides_with_identified(db: Executor, value: str) -> bool:
    """True when a value given as an anonymous id is a key of somebody identified."""
    return bool(db.run(_Q["collides_with_identified"], value=value)[0][0])


def delete_contacts(db: Executor, ids: Sequence[UUID]) -> list[Deleted]:
    """Mark people deleted; those who are already gone are left out."""
    rows = db.run(_Q["delete_contacts"], ids=list(ids))
    return [Deleted(id=row[0], external_id=row[1], email=row[2]) for row in rows]


def export_contact(db: Executor, contact_id: UUID) -> dict[str, list[Any]]:
    """Whole rows by table."""
    sections: dict[str, list[Any]] = {}
    for section, item in db.run(_Q["export_contact"], id=contact_id):
        sections.setdefault(section, []).append(item)
    return sections


def find_deleted(
    db: Executor, *, external_id: str | None = None, email: str | None = None
) -> list[UUID]:
    """Ids of people marked deleted whom these keys named."""
    return [row[0] for row in db.run(_Q["find_deleted"], external=external_id, email=email)]


def lock_contact(db: Executor, contact_id: UUID) -> Deleted | None:
    """Lock a person's row; None when it is gone."""
    rows = db.run(_Q["lock_contact"], id=contact_id)
    return Deleted(id=rows[0][0], external_id=rows[0][1], email=rows[0][2]) if rows else None


def list_refusals(db: Executor, contact_id: UUID) -> list[Refusal]:
    """Refusals that must outlive the person's data."""
    rows = db.run(_Q["list_refusals"], id=contact_id)
    return [Refusal(email=row[0], kind=row[1], reason=row[2]) for row in rows]


def keep_refusals(db: Executor, rows: Sequence[Mapping[str, str]]) -> None:
    """Keep refusals by hash."""
    db.run(_Q["keep_refusals"], rows=[dict(row) for row in rows])


def find_refusals(db: Executor, hashes: Sequence[str]) -> frozenset[str]:
    """Kinds kept for any of these hashes."""
    return frozenset(row[0] for row in db.run(_Q["find_refusals"], hashes=list(hashes)))


def forget_unsubscribed(db: Executor, hashes: Sequence[str]) -> None:
    """Take back that somebody unsubscribed from everything."""
    db.run(_Q["forget_unsubscribed"], hashes=list(hashes))


def erase_contact(db: Executor, contact_id: UUID) -> dict[str, int]:
    """Delete everything about a living person; rows removed per table."""
    return {section: int(n) for section, n in db.run(_Q["erase_contact"], id=contact_id)}


def audit_erasure(
    db: Executor, *, actor: str, actor_key_id: UUID | None, resource_id: str, detail: JsonObject
) -> None:
    """Write the certificate down."""
    db.run(
        _Q["audit_erasure"],
        actor=actor,
        actor_key_id=actor_key_id,
        resource_id=resource_id,
        detail=detail,
    )


def list_contacts(
    db: Executor, *, search: str | None, identity: str, limit: int, offset: int
) -> tuple[list[tuple[Contact, str | None]], int]:
    """A page of people with their anonymous ids, last seen first, and how many there are.

    ``search`` is part of any key; ``identity`` is all, identified or anonymous.
    """
    escaped = None if search is None else re.sub(r"([\\%_])", r"\\\1", search)
    asked = {"pattern": None if escaped is None else f"%{escaped}%", "identity": identity}
    rows = db.run(_Q["list_contacts"], **asked, limit=limit, offset=offset)
    if rows:
        return [(_contact(row), row[8]) for row in rows], int(rows[0][9])
    # An empty page may lie beyond the end.
    return [], int(db.run(_Q["count_contacts"], **asked)[0][0]) if offset else 0


def _contact(row: tuple[Any, ...]) -> Contact:
    return Contact(
        id=row[0],
        external_id=row[1],
        email=row[2],
        properties=row[3],
        first_seen_at=row[4],
        last_seen_at=row[5],
        created_at=row[6],
        updated_at=row[7],
    )
