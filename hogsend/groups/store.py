"""Typed queries on groups, one function each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.groups.models import Group, Member, Membership
from hogsend.kernel.wire_json import JsonValue

_Q = QueryFile(__package__, "groups.sql")


def identify_group(
    db: Executor,
    *,
    group_type: str,
    group_key: str,
    display_name: str | None,
    patch: Mapping[str, JsonValue] | None,
) -> Group:
    """Make a group or lay ``patch`` over its properties (null deletes)."""
    rows = db.run(
        _Q["identify_group"],
        group_type=group_type,
        group_key=group_key,
        display_name=display_name,
        patch=None if patch is None else dict(patch),
    )
    return _to_group(rows[0])


def find_group(db: Executor, group_type: str, group_key: str) -> Group | None:
    """The group with this name."""
    rows = db.run(_Q["find_group"], group_type=group_type, group_key=group_key)
    return _to_group(rows[0]) if rows else None


def list_groups(
    db: Executor, *, group_type: str | None = None, limit: int, offset: int
) -> list[Group]:
    """A page of groups, last seen first."""
    rows = db.run(_Q["list_groups"], group_type=group_type, limit=limit, offset=offset)
    return [_to_group(row) for row in rows]


def lock_contact(db: Executor, contact_id: UUID) -> UUID | None:
    """The live contact this id stands for, kept alive until commit."""
    rows = db.run(_Q["lock_contact"], contact_id=contact_id)
    return rows[0][0] if rows else None


def ensure_group(db: Executor, group_type: str, group_key: str) -> UUID:
    """The group's id; made when it is not there."""
    found: UUID = db.run(_Q["ensure_group"], group_type=group_type, group_key=group_key)[0][0]
    return found


def add_member(db: Executor, *, group_id: UUID, contact_id: UUID, role: str | None) -> Membership:
    """Make a member, or give an existing one the role."""
    row = db.run(_Q["add_member"], group_id=group_id, contact_id=contact_id, role=role)[0]
    return Membership(
        id=row[0], group_id=row[1], contact_id=row[2], role=row[3], joined_at=row[4], created=row[5]
    )


def list_members(db: Executor, group_id: UUID, *, limit: int, offset: int) -> list[Member]:
    """A page of live members, newest first."""
    rows = db.run(_Q["list_members"], group_id=group_id, limit=limit, offset=offset)
    return [
        Member(contact_id=r[0], email=r[1], external_id=r[2], role=r[3], joined_at=r[4])
        for r in rows
    ]


def remove_member(db: Executor, *, group_type: str, group_key: str, contact_id: UUID) -> bool:
    """False when there was no such membership."""
    return bool(
        db.run(
            _Q["remove_member"], group_type=group_type, group_key=group_key, contact_id=contact_id
        )
    )


def _to_group(row: tuple[Any, ...]) -> Group:
    return Group(
        id=row[0],
        group_type=row[1],
        group_key=row[2],
        display_name=row[3],
        properties=row[4],
        first_seen_at=row[5],
        last_seen_at=row[6],
        created_at=row[7],
        updated_at=row[8],
    )
