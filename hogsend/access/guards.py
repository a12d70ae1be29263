"""Guards in front of routes: who calls, and may they."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hogsend.access.api_keys import PUBLISHABLE_PREFIX, SECRET_PREFIX
from hogsend.access.limits import ADMIN, FailedAttempts, RateLimits, RateRule
from hogsend.access.models import ApiKey, Principal
from hogsend.access.scopes import grants
from hogsend.errors import NotAllowed
from hogsend.kernel.clock import Clock
from hogsend.kernel.hashing import sha256_hex
from hogsend.web.describe import Security
from hogsend.web.http import Request
from hogsend.web.route import PrefixGuard

_BEARER = "Bearer "
_PREFIXES = (SECRET_PREFIX, PUBLISHABLE_PREFIX)
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

    Code ``unauthorized`` is answered with 401, everything else with 403. With ``limits`` None
    nothing is counted.
    """

    def __init__(
        self,
        keys: KeyLookup,
        *,
        clock: Clock,
        admin_api_key: str | None = None,
        limits: RateLimits | None = None,
        failures: FailedAttempts | None = None,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._master_hash = sha256_hex(admin_api_key) if admin_api_key else None
        self._limits = limits
        self._failures = failures

    @property
    def limits(self) -> RateLimits | None:
        """What counts calls; None when nothing is counted."""
        return self._limits

    def require_scope(self, scope: str, *, limit: RateRule | None = None) -> KeyGuard:
        """A guard for secret keys that hold or imply ``scope``; ``limit`` counts per key."""

        def check(req: Request) -> Principal:
            principal = self._secret(self._token(req), req)
            if not grants(principal.scopes, scope):
                raise _insufficient()
            return principal

        security: Security = "admin" if scope == "full-admin" else "secret"
        return KeyGuard(check=check, security=security, scope=scope, limit=limit, by=self._limits)

    def admin(self) -> KeyGuard:
        """The guard of every route below ``/v1/admin``."""
        return self.require_scope("full-admin", limit=ADMIN)

    def browser(
        self, *, limit: RateRule | None = None, address_limit: RateRule | None = None
    ) -> KeyGuard:
        """A guard for publishable keys from their origins, and secret keys with ``ingest``.

        ``limit`` counts per key; ``address_limit`` counts calls with publishable keys per address.
        """
        secret_guard = self.require_scope("ingest")

        def check(req: Request) -> Principal:
            token = self._token(req)
            if not token.startswith(PUBLISHABLE_PREFIX):
                return secret_guard.check(req)
            principal = self._publishable(token, req)
            if address_limit is not None and self._limits is not None:
                self._limits.count_address(req, address_limit)
            return principal

        return KeyGuard(
            check=check, security="browser", scope="ingest", limit=limit, by=self._limits
        )

    def prefixes(self) -> list[PrefixGuard]:
        """Below these paths even an unknown one asks for a key: nothing is told to strangers."""
        browser, secret, admin = self.browser(), self.require_scope("ingest"), self.admin()
        guards: dict[str, KeyGuard] = {
            "/v1/events": browser,
            "/v1/contacts": browser,
            "/v1/lists": browser,
            "/v1/emails": secret,
            "/v1/campaigns": secret,
            "/v1/groups": secret,
            "/v1/admin": admin,
        }
        return [PrefixGuard(prefix=prefix, guard=guard) for prefix, guard in guards.items()]

    def _token(self, req: Request) -> str:
        header: str = req.env.get("HTTP_AUTHORIZATION", "")
        if not header.startswith(_BEARER):
            raise _unauthorized()
        return header[len(_BEARER) :]

    def _secret(self, token: str, req: Request) -> Principal:
        key_hash = sha256_hex(token)
        # Digests, not keys: the time it takes tells nothing about either.
        is_master = hmac.compare_digest(key_hash, self._master_hash or "")
        if is_master and not self._is_blocked(req):
            return MASTER
        key = self._live(token, key_hash, req)
        return Principal(id=str(key.id), name=key.name, scopes=key.scopes)

    def _publishable(self, token: str, req: Request) -> Principal:
        key = self._live(token, sha256_hex(token), req)
        # A key meant for browsers that can do more is a mistake, not a convenience.
        if "ingest-public" not in key.scopes or key.scopes & {"ingest", "full-admin"}:
            raise _insufficient()
        if req.env.get("HTTP_ORIGIN") not in key.allowed_origins:
            raise NotAllowed("Forbidden: origin not allowed", code="origin_not_allowed")
        return Principal(
            id=str(key.id), name=key.name, scopes=frozenset({"ingest-public"}), is_publishable=True
        )

    def _live(self, token: str, key_hash: str, req: Request) -> ApiKey:
        # What does not look like a key costs no query.
        key = self._keys.find(key_hash) if token.startswith(_PREFIXES) else None
        if key is None or key.revoked_at is not None:
            if self._failures is not None:
                self._failures.note(req.client_ip)
            raise _unauthorized()
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise NotAllowed("API key expired", code="unauthorized")
        self._keys.mark_used(key)
        return key

    def _is_blocked(self, req: Request) -> bool:
        return self._failures is not None and self._failures.is_blocked(req.client_ip)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGuard:
    """A guard that describes itself; calling it is guarding."""

    check: Callable[[Request], Principal]
    security: Security
    scope: str
    limit: RateRule | None = None
    by: RateLimits | None = None

    def __call__(self, req: Request) -> None:
        """Set ``req.principal`` or raise NotAllowed, RateLimited or DatabaseUnavailable."""
        principal = req.principal = self.check(req)
        if self.limit is not None and self.by is not None:
            self.by.count(req, principal, self.limit)

    @property
    def is_limited(self) -> bool:
        """True when calls are counted."""
        return self.limit is not None

    def charge(self, req: Request, cost: int) -> None:
        """Count ``cost`` further calls, for a request that stands for many; raises RateLimited."""
        if cost > 0 and self.limit is not None and self.by is not None:
            self.by.count(req, req.principal, self.limit, cost=cost)


def _unauthorized() -> NotAllowed:
    return NotAllowed("Unauthorized", code="unauthorized")


def _insufficient() -> NotAllowed:
    return NotAllowed("Forbidden: insufficient scope", code="insufficient_scope")
