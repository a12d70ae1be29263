"""Keys of requests and the answers kept under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hogsend.db import Executor, QueryFile
from hogsend.kernel.wire_json import JsonValue

_Q = QueryFile(__package__, "idempotency.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRequest:
    """The request that came first under a key.

    ``fields`` maps names of fields to digests of their values. ``status`` is None while it is
    being answered.
    """

    fields: Mapping[str, str]
    status: int | None
    response: JsonValue


def claim_key(
    db: Executor,
    *,
    scope: str,
    key: str,
    fields: Mapping[str, str],
    ttl_seconds: float,
    lease_seconds: float,
) -> bool:
    """True when the caller may carry the request out."""
    return bool(
        db.run(
            _Q["claim_key"],
            scope=scope,
            key=key,
            request=dict(fields),
            ttl_seconds=ttl_seconds,
            lease_seconds=lease_seconds,
        )
    )


def find_key(db: Executor, *, scope: str, key: str) -> FirstRequest | None:
    """What came first under this key; None when it was released meanwhile."""
    rows = db.run(_Q["find_key"], scope=scope, key=key)
    if not rows:
        return None
    request, status, response = rows[0]
    return FirstRequest(fields=request or {}, status=status, response=response)


def keep_answer(db: Executor, *, scope: str, key: str, status: int, response: JsonValue) -> None:
    """Keep the answer; the first one stays."""
    # Wrapped: a JSON null answer must not become SQL's NULL.
    db.run(_Q["keep_answer"], scope=scope, key=key, http_status=status, response=[response])


def release_key(db: Executor, *, scope: str, key: str) -> None:
    """Free a key that got no answer worth keeping."""
    db.run(_Q["release_key"], scope=scope, key=key)


def purge_expired(db: Executor, *, limit: int) -> int:
    """Delete up to ``limit`` expired keys; answers how many. Safe on any number of machines."""
    return len(db.run(_Q["purge_expired"], limit=limit))
