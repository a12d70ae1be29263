"""API keys as they travel over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from hogsend.access.models import ApiKey, Scope
from hogsend.kernel.wire_json import iso_z
from hogsend.web.fields import Body, Query, Sent, Text


class KeyBody(Body):
    """A new key; a publishable one needs origins and gets the scope ``ingest-public``."""

    name: Annotated[Text, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1)] = Field(default=["read"])
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, alias="expiresAt"
    )
    publishable: bool = False
    allowed_origins: list[Text] | None = Field(default=None, alias="allowedOrigins")


class KeysQuery(Query):
    """A page of keys, newest first."""

    limit: int = Field(default=50, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=1_000_000_000)
    include_revoked: bool = Field(default=False, alias="includeRevoked")


class KeySent(Sent):
    """A key without its secret; ``keyPrefix`` is its first eight characters."""

    id: UUID
    name: str
    keyPrefix: str
    scopes: list[str]
    allowedOrigins: list[str] | None
    createdBy: str | None
    lastUsedAt: datetime | None
    revokedAt: datetime | None
    expiresAt: datetime | None
    createdAt: datetime


class KeysAnswer(Sent):
    """A page."""

    keys: list[KeySent]
    total: int
    limit: int
    offset: int


class NewKeyAnswer(Sent):
    """``key`` is shown this once."""

    id: UUID
    name: str
    key: str
    keyPrefix: str
    scopes: list[str]
    allowedOrigins: list[str] | None
    expiresAt: datetime | None
    createdAt: datetime


class RevokedAnswer(Sent):
    """Revoked for good."""

    revoked: bool


class SelfAnswer(Sent):
    """Who is asking."""

    actor: Literal["api-key", "session"]
    id: str | None = None
    name: str | None = None
    scopes: list[str] | None = None
    email: str | None = None


def to_wire(key: ApiKey) -> dict[str, Any]:
    """The public shape of a key."""
    return {
        "id": str(key.id),
        "name": key.name,
        "keyPrefix": key.prefix,
        "scopes": sorted(key.scopes),
        "allowedOrigins": list(key.allowed_origins) or None,
        "createdBy": key.created_by,
        "lastUsedAt": _iso(key.last_used_at),
        "revokedAt": _iso(key.revoked_at),
        "expiresAt": _iso(key.expires_at),
        "createdAt": iso_z(key.created_at),
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else iso_z(instant)
