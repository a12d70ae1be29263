"""Queries on keys and users, one typed function each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from hogsend.access.models import Admin, ApiKey
from hogsend.db import Executor, QueryFile
from hogsend.kernel.wire_json import iso_z

_Q = QueryFile(__package__, "access.sql")


def find_api_key(db: Executor, key_hash: str) -> ApiKey | None:
    """The key with this hash, also when revoked or expired."""
    rows = db.run(_Q["find_api_key"], key_hash=key_hash)
    return _to_key(rows[0]) if rows else None


def list_api_keys(db: Executor) -> list[ApiKey]:
    """Every key, newest first."""
    return [_to_key(row) for row in db.run(_Q["list_api_keys"])]


def insert_api_key(
    db: Executor,
    *,
    name: str,
    prefix: str,
    key_hash: str,
    scopes: Sequence[str],
    allowed_origins: Sequence[str],
    created_by: str | None,
    expires_at: datetime | None,
) -> ApiKey:
    """Store a new key."""
    rows = db.run(
        _Q["insert_api_key"],
        name=name,
        key_prefix=prefix,
        key_hash=key_hash,
        scopes=list(scopes),
        allowed_origins=list(allowed_origins) or None,
        created_by=created_by,
        expires_at=None if expires_at is None else iso_z(expires_at),
    )
    return _to_key(rows[0])


def revoke_api_key(db: Executor, key_id: UUID) -> bool:
    """Revoke for good; False when there is no such key. Announced to every API process."""
    return bool(db.run(_Q["revoke_api_key"], id=str(key_id)))


def page_api_keys(
    db: Executor, *, limit: int, offset: int, with_revoked: bool
) -> tuple[list[ApiKey], int]:
    """A page of keys, newest first, and how many there are."""
    rows = db.run(_Q["page_api_keys"], limit=limit, offset=offset, with_revoked=with_revoked)
    if rows:
        return [_to_key(row) for row in rows], rows[0][10]
    return [], db.run(_Q["count_api_keys"], with_revoked=with_revoked)[0][0]


def revoke_live_api_key(db: Executor, key_id: UUID) -> bool:
    """Revoke for good; False when there is no such key or it was revoked before."""
    return bool(db.run(_Q["revoke_live_api_key"], id=str(key_id)))


def has_api_keys(db: Executor) -> bool:
    """True when any key exists, in whatever state."""
    return bool(db.run(_Q["has_api_keys"])[0][0])


def touch_api_keys(db: Executor, used: Mapping[UUID, datetime]) -> None:
    """Record when keys were last used; ``used`` maps key id to instant."""
    # In order of id: two processes must not lock the rows crosswise.
    rows = [{"id": str(key_id), "at": iso_z(at)} for key_id, at in sorted(used.items())]
    db.run(_Q["touch_api_keys"], used=rows)


def lock_bootstrap(db: Executor, name: str) -> None:
    """Take a transaction-scoped lock named ``name``."""
    db.run(_Q["lock_bootstrap"], name=name)


def has_admins(db: Executor) -> bool:
    """True when at least one administrator exists."""
    return bool(db.run(_Q["has_admins"])[0][0])


def insert_user(db: Executor, *, user_id: str, name: str, email: str) -> Admin:
    """Store an administrator; raises UniqueViolation ``user_email_unique``."""
    return _to_admin(db.run(_Q["insert_user"], id=user_id, name=name, email=email)[0])


def insert_credential(db: Executor, *, row_id: str, user_id: str, password_hash: str) -> None:
    """Give a user a password."""
    db.run(_Q["insert_credential"], id=row_id, user_id=user_id, password=password_hash)


def update_credential(db: Executor, *, user_id: str, password_hash: str) -> bool:
    """Replace a password; False when the user had none."""
    return bool(db.run(_Q["update_credential"], user_id=user_id, password=password_hash))


def find_admin(db: Executor, email: str) -> Admin | None:
    """The administrator with this (lower-cased) address."""
    rows = db.run(_Q["find_admin"], email=email)
    return _to_admin(rows[0]) if rows else None


def find_credential(db: Executor, email: str) -> tuple[Admin, str] | None:
    """The administrator with this address and the stored password hash."""
    rows = db.run(_Q["find_credential"], email=email)
    return (_to_admin(rows[0]), rows[0][4]) if rows else None


def list_admins(db: Executor) -> list[Admin]:
    """Every administrator, oldest first; never a secret."""
    return [_to_admin(row) for row in db.run(_Q["list_admins"])]


def delete_user(db: Executor, user_id: str) -> bool:
    """Delete an administrator with sessions and credentials; False when there is none."""
    return bool(db.run(_Q["delete_user"], id=user_id))


def delete_sessions(db: Executor, user_id: str) -> int:
    """Sign a user out everywhere; answers how many sessions ended."""
    return len(db.run(_Q["delete_sessions"], user_id=user_id))


def _to_key(row: tuple[Any, ...]) -> ApiKey:
    return ApiKey(
        id=row[0],
        name=row[1],
        prefix=row[2],
        scopes=frozenset(row[3]),
        allowed_origins=tuple(row[4] or ()),
        created_by=row[5],
        last_used_at=row[6],
        revoked_at=row[7],
        expires_at=row[8],
        created_at=row[9],
    )


def _to_admin(row: tuple[Any, ...]) -> Admin:
    return Admin(id=row[0], email=row[1], name=row[2], created_at=row[3])
