"""API keys: mint and revoke. The key is shown once; only its hash is stored."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from hogsend.access import store
from hogsend.access.models import ApiKey
from hogsend.access.scopes import check_scopes
from hogsend.db import Executor
from hogsend.errors import InvalidInput
from hogsend.kernel.hashing import sha256_hex

SECRET_PREFIX, PUBLISHABLE_PREFIX = "hsk_", "pk_"
_SHOWN = 8


def generate_key(*, publishable: bool = False) -> str:
    """A new key: prefix and 32 random bytes, base64url without padding."""
    prefix = PUBLISHABLE_PREFIX if publishable else SECRET_PREFIX
    return prefix + secrets.token_urlsafe(32)


def create_api_key(
    db: Executor,
    *,
    name: str,
    scopes: Sequence[str] = ("read",),
    publishable: bool = False,
    allowed_origins: Sequence[str] = (),
    created_by: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Store a new key and answer it with its only copy in clear.

    A publishable key has the scope ``ingest-public`` whatever ``scopes`` says and needs at least
    one origin (``https://app.example.com``, no path). Raises InvalidInput.
    """
    if not 1 <= len(name) <= 100:
        raise InvalidInput("The name of a key must have 1 to 100 characters")
    if publishable and not allowed_origins:
        raise InvalidInput("A publishable key needs at least one allowed origin")
    key = generate_key(publishable=publishable)
    row = store.insert_api_key(
        db,
        name=name,
        prefix=key[:_SHOWN],
        key_hash=sha256_hex(key),
        scopes=("ingest-public",) if publishable else check_scopes(scopes),
        allowed_origins=[_origin(origin) for origin in allowed_origins],
        created_by=created_by,
        expires_at=expires_at,
    )
    return row, key


def revoke_api_key(db: Executor, key_id: UUID) -> bool:
    """Revoke for good; False when there is no such key.

    API processes forget the key as soon as the transaction commits.
    """
    return store.revoke_api_key(db, key_id)


def list_api_keys(db: Executor) -> list[ApiKey]:
    """Every key, newest first."""
    return store.list_api_keys(db)


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if not (parts.scheme and parts.netloc):
        raise InvalidInput(
            f"{value!r} is not an origin", hint="use scheme and host: https://app.example.com"
        )
    return f"{parts.scheme}://{parts.netloc}"
