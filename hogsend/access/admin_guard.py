"""The guard of the admin plane: a key with ``full-admin``, or a signed-in administrator."""

from __future__ import annotations

from hogsend.access.cookies import SessionCookie
from hogsend.access.guards import Guards
from hogsend.access.limits import ADMIN, RateLimits
from hogsend.access.models import administrator
from hogsend.access.origins import TrustedOrigins
from hogsend.access.sessions import Sessions
from hogsend.errors import NotAllowed
from hogsend.web.describe import Security
from hogsend.web.http import Request

_SAFE = ("GET", "HEAD", "OPTIONS")


class AdminGuard:
    """Sets ``req.principal`` or raises NotAllowed.

    With an ``Authorization`` header only the key is looked at: a bad key never falls back to the
    cookie. A cookie may change something only from a page of ours.
    """

    security: Security = "admin"
    scope = "full-admin"
    is_limited = True

    def __init__(
        self,
        guards: Guards,
        *,
        sessions: Sessions,
        cookie: SessionCookie,
        origins: TrustedOrigins,
        limits: RateLimits | None,
    ) -> None:
        self._by_key = guards.admin()
        self._sessions = sessions
        self._cookie = cookie
        self._origins = origins
        self._limits = limits

    def __call__(self, req: Request) -> None:
        """Guard one request."""
        if "HTTP_AUTHORIZATION" in req.env:
            self._by_key(req)
            return
        token = self._cookie.read(req)
        session = None if token is None else self._sessions.find(token)
        if session is None:
            raise NotAllowed("Unauthorized", code="unauthorized")
        if req.method not in _SAFE:
            self._origins.check(req)
        principal = req.principal = administrator(session.admin)
        if self._limits is not None:
            self._limits.count(req, principal, ADMIN)
