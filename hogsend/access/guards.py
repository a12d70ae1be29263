"""Guards in front of routes: who calls, and may they."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Protocol

from hogsend.access.api_keys import PUBLISHABLE_PREFIX
from hogsend.access.models import ApiKey, Principal
from hogsend.access.scopes import grants
from hogsend.errors import NotAllowed
from hogsend.kernel.clock import Clock
from hogsend.kernel.hashing import sha256_hex
from hogsend.web.http import Request

Guard = Callable[[Request], None]

_BEARER = "Bearer "
MASTER = Principal(id="legacy", name="legacy", scopes=frozenset({"full-admin"}))


class KeyLookup(Protocol):
    """What guards need of the key cache."""

    def find(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, whatever its state."""
        ...

    def mark_used(self, key: ApiKey) -> None:
        """Note a use."""
        ...


class Guards:
    """Makes guards for routes. A guard sets ``req.principal`` or raises NotAllowed.

    Code ``unauthorized`` is answered with 401, everything else with 403.
    """

    def __init__(self, keys: KeyLookup, *, clock: Clock, admin_api_key: str | None = None) -> None:
        self._keys = keys
        self._clock = clock
        self._master_hash = sha256_hex(admin_api_key) if admin_api_key else None

    def require_scope(self, scope: str) -> Guard:
        """A guard for secret keys that hold or imply ``scope``."""

        def guard(req: Request) -> None:
            principal = self._secret(self._token(req))
            if not grants(principal.scopes, scope):
                raise _insufficient()
            req.principal = principal

        return guard

    def browser(self) -> Guard:
        """A guard for publishable keys from their origins, and secret keys with ``ingest``."""
        secret_guard = self.require_scope("ingest")

        def guard(req: Request) -> None:
            token = self._token(req)
            if not token.startswith(PUBLISHABLE_PREFIX):
                secret_guard(req)
                return
            req.principal = self._publishable(token, req.env.get("HTTP_ORIGIN"))

        return guard

    def _token(self, req: Request) -> str:
        header: str = req.env.get("HTTP_AUTHORIZATION", "")
        if not header.startswith(_BEARER):
            raise _unauthorized()
        return header[len(_BEARER) :]

    def _secret(self, token: str) -> Principal:
        key_hash = sha256_hex(token)
        if self._master_hash is not None and hmac.compare_digest(key_hash, self._master_hash):
            return MASTER
        key = self._live(key_hash)
        return Principal(id=str(key.id), name=key.name, scopes=key.scopes)

    def _publishable(self, token: str, origin: str | None) -> Principal:
        key = self._live(sha256_hex(token))
        # A key meant for browsers that can do more is a mistake, not a convenience.
        if "ingest-public" not in key.scopes or key.scopes & {"ingest", "full-admin"}:
            raise _insufficient()
        if origin is None or origin not in key.allowed_origins:
            raise NotAllowed("Forbidden: origin not allowed")
        return Principal(
            id=str(key.id), name=key.name, scopes=frozenset({"ingest-public"}), is_publishable=True
        )

    def _live(self, key_hash: str) -> ApiKey:
        key = self._keys.find(key_hash)
        if key is None or key.revoked_at is not None:
            raise _unauthorized()
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise NotAllowed("API key expired", code="unauthorized")
        self._keys.mark_used(key)
        return key


def _unauthorized() -> NotAllowed:
    return NotAllowed("Unauthorized", code="unauthorized")


def _insufficient() -> NotAllowed:
    return NotAllowed("Forbidden: insufficient scope", code="insufficient_scope")
