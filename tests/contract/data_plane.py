"""The public API over a real database, called in process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import falcon.testing

from hogsend.access.api_keys import create_api_key
from hogsend.access.guards import Guards
from hogsend.access.limits import FailedAttempts, RateLimits
from hogsend.access.models import ApiKey
from hogsend.access.store import find_api_key
from hogsend.db import Database
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.tokens import TokenSigner
from hogsend.kv.quota import Quota
from hogsend.kv.rate_limit import RateLimiter
from hogsend.web.app import build_app
from hogsend.web.route import Route

ORIGIN = "https://app.example.com"
SECRET = "x" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)


class DatabaseKeys:
    """Keys straight from the table."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def find(self, key_hash: str) -> ApiKey | None:
        return find_api_key(self._db, key_hash)

    def mark_used(self, key: ApiKey) -> None:
        pass


@dataclass
class DataPlane:
    """Routes of some slices behind real guards; ``secret`` and ``public`` are keys."""

    db: Database
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    signer: TokenSigner = field(default_factory=lambda: TokenSigner(SECRET))
    failed_limit: int = 0

    def __post_init__(self) -> None:
        _, self.secret = create_api_key(self.db, name="sk", scopes=["ingest"])
        _, self.read_only = create_api_key(self.db, name="read", scopes=["read"])
        _, self.admin = create_api_key(self.db, name="admin", scopes=["full-admin"])
        _, self.public = create_api_key(
            self.db, name="pk", publishable=True, allowed_origins=[ORIGIN]
        )
        limiter = RateLimiter(None, clock=self.clock)
        self.guards = Guards(
            DatabaseKeys(self.db),
            clock=self.clock,
            limits=RateLimits(limiter, Quota(None, clock=self.clock)),
            failures=FailedAttempts(limiter, limit=self.failed_limit),
        )

    def serve(self, *routes: Sequence[Route]) -> None:
        """Answer requests with these routes."""
        self.app = build_app(
            [route for some in routes for route in some], prefix_guards=self.guards.prefixes()
        )
        self._client = falcon.testing.TestClient(self.app)

    def call(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and decoded body; as a secret key unless told otherwise."""
        result = self.request(method, path, json, key=key, query=query, headers=headers)
        return result.status_code, result.json if result.content else None

    def request(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> falcon.testing.Result:
        """The whole answer."""
        token = self.secret if key is None else key
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        if token.startswith("pk_"):
            sent["Origin"] = ORIGIN
        sent |= dict(headers or {})
        extra: dict[str, Any] = {} if json is None else {"json": json}
        return self._client.simulate_request(
            method, path, headers=sent, params=dict(query or {}), **extra
        )

    def user_token(self, user_id: str) -> str:
        """What a customer's own server would mint."""
        return self.signer.mint_user_token(user_id, now=self.clock.now())


Serve = Callable[[DataPlane], None]
