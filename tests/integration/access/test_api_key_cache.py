"""Keys are remembered only while their revocation would be heard."""

from __future__ import annotations

from hogsend.access.api_keys import create_api_key
from hogsend.access.cache import ApiKeyCache
from hogsend.db import Database, DatabaseOptions, Query
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.hashing import sha256_hex

_REVOKE = Query.parse("revoke", "UPDATE api_keys SET revoked_at = now() WHERE id = :id")


def test_key_revoked_behind_a_transaction_pooler_is_refused_at_once(
    dsn: str, database: Database
) -> None:
    key, secret = create_api_key(database, name="pooled", scopes=["ingest"])
    pooled = Database(DatabaseOptions(url=dsn, prepare=False))
    cache = ApiKeyCache(pooled, clock=SystemClock())
    try:
        for _ in range(3):
            found = cache.find(sha256_hex(secret))
            assert found is not None
            assert found.revoked_at is None

        database.run(_REVOKE, id=str(key.id))

        after = cache.find(sha256_hex(secret))
        assert after is not None
        assert after.revoked_at is not None
    finally:
        cache.close()
        pooled.close()
