"""Builds what signing in needs."""

from __future__ import annotations

from dataclasses import dataclass

from hogsend.access.admin_guard import AdminGuard
from hogsend.access.audit import AuditLog
from hogsend.access.auth_api import AuthApi
from hogsend.access.cookies import SessionCookie
from hogsend.access.guards import Guards
from hogsend.access.limits import RateLimits
from hogsend.access.origins import TrustedOrigins
from hogsend.access.resets import ResetMail, Resets
from hogsend.access.sessions import Sessions
from hogsend.access.sign_in import SignIn
from hogsend.db import Database
from hogsend.kernel.clock import Clock
from hogsend.kv import Kv
from hogsend.kv.rate_limit import RateLimiter
from hogsend.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The parts that ``/api/auth``, the admin guard and Studio share."""

    sessions: Sessions
    resets: Resets
    flow: SignIn
    cookie: SessionCookie
    origins: TrustedOrigins
    has_mail: bool

    @property
    def api(self) -> AuthApi:
        """The handlers of ``/api/auth``."""
        return AuthApi(
            sign_in_flow=self.flow,
            sessions=self.sessions,
            resets=self.resets,
            cookie=self.cookie,
            origins=self.origins,
            has_mail=self.has_mail,
        )

    def guard(self, guards: Guards, *, limits: RateLimits | None) -> AdminGuard:
        """The guard of the admin plane; with ``limits`` None calls by session are not counted."""
        return AdminGuard(
            guards,
            sessions=self.sessions,
            cookie=self.cookie,
            origins=self.origins,
            limits=limits,
        )


def build_signing(
    settings: Settings,
    db: Database,
    *,
    kv: Kv,
    clock: Clock,
    mail: ResetMail | None,
    audit: AuditLog | None = None,
) -> Signing:
    """Limits are off with ``NODE_ENV=test`` only; ``mail`` None: no password can be mailed."""
    is_counted = settings.node_env != "test"
    return Signing(
        sessions=Sessions(db, clock=clock),
        resets=Resets(db, clock=clock, mail=mail),
        flow=SignIn(db, limiter=RateLimiter(kv, clock=clock) if is_counted else None, audit=audit),
        cookie=SessionCookie(
            settings.better_auth_secret,
            previous=settings.better_auth_secret_previous,
            prefix=settings.auth_cookie_prefix,
            is_secure=settings.better_auth_url.startswith("https:"),
        ),
        origins=TrustedOrigins(
            [
                settings.better_auth_url,
                settings.api_public_url,
                *settings.better_auth_trusted_origins,
            ]
        ),
        has_mail=mail is not None,
    )
