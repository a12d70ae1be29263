"""Keys, callers and administrators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Scope = Literal[
    "read", "journey-admin", "full-admin", "ingest", "ingest-public", "accounts", "referrals"
]
SCOPES: tuple[Scope, ...] = (
    "read",
    "journey-admin",
    "full-admin",
    "ingest",
    "ingest-public",
    "accounts",
    "referrals",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One row of ``api_keys``; the key itself is never stored, ``prefix`` is its first 8 letters.

    ``allowed_origins`` is the exact list of browser origins of a publishable key.
    """

    id: UUID
    name: str
    prefix: str
    scopes: frozenset[str]
    allowed_origins: tuple[str, ...]
    created_by: str | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling. ``id`` is the key's id, or ``legacy`` for the master key."""

    id: str
    name: str
    scopes: frozenset[str]
    is_publishable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """Somebody who may sign in to Studio; every user is an administrator."""

    id: str
    email: str
    name: str
    created_at: datetime


def administrator(admin: Admin) -> Principal:
    """Somebody who is signed in, as a caller."""
    return Principal(id=f"user:{admin.id}", name=admin.email, scopes=frozenset({"full-admin"}))
