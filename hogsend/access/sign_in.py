"""Signing in: limits, constant work, few hashes at a time."""

from __future__ import annotations

import threading

from hogsend.access.admins import authenticate
from hogsend.access.audit import UNKNOWN, AuditLog
from hogsend.access.limits import EXCEEDED, network_of
from hogsend.access.models import Admin
from hogsend.db import Database
from hogsend.errors import NotAllowed, RateLimited
from hogsend.kernel.addresses import is_email, normalize_email
from hogsend.kernel.hashing import sha256_hex
from hogsend.kv.rate_limit import RateLimiter

# A hash takes 19 MiB; two at a time keep an api process small and still allow 60 a second.
_HASHES_AT_ONCE = 2
_WAIT_SECONDS = 5.0

PER_ADDRESS = (10, 60)
# Guesses against one account from many addresses; high enough not to lock its owner out easily.
PER_ACCOUNT = (50, 900)


class WrongPassword(NotAllowed):
    """No such account, or not its password; which of the two is not told."""

    default_code = "INVALID_EMAIL_OR_PASSWORD"


class SignIn:
    """Checks a password under limits that all processes share while Redis is there.

    With ``limiter`` None nothing is counted; ``audit`` hears of every checked password.
    """

    def __init__(
        self, db: Database, *, limiter: RateLimiter | None, audit: AuditLog | None = None
    ) -> None:
        self._db = db
        self._audit = audit
        self._limiter = limiter
        self._hashing = threading.BoundedSemaphore(_HASHES_AT_ONCE)

    def attempt(self, email: str, password: str, *, ip: str) -> Admin:
        """The administrator; raises WrongPassword or RateLimited."""
        self.count(f"auth:sign-in:{network_of(ip)}", *PER_ADDRESS)
        self.count(f"auth:account:{sha256_hex(normalize_email(email))[:32]}", *PER_ACCOUNT)
        if not self._hashing.acquire(timeout=_WAIT_SECONDS):
            raise RateLimited(EXCEEDED, retry_after_seconds=_WAIT_SECONDS)
        try:
            admin = authenticate(self._db, email=email.replace("\0", ""), password=password)
        finally:
            self._hashing.release()
        self._note(admin, email, ip)
        if admin is None:
            raise WrongPassword("Invalid email or password")
        return admin

    def _note(self, admin: Admin | None, email: str, ip: str) -> None:
        if self._audit is None:
            return
        if admin is not None:
            self._audit.note(
                actor=admin.email,
                action="sign-in.post",
                resource="sign-in",
                resource_id=admin.id,
                ip=ip,
            )
            return
        # What is no address may be a password in the wrong field.
        typed = normalize_email(email.replace("\0", ""))
        self._audit.note(
            actor=typed if is_email(typed) else UNKNOWN,
            action="sign-in.refused",
            resource="sign-in",
            ip=ip,
        )

    def count(self, key: str, limit: int, window_seconds: int) -> None:
        """Count a call of another sensitive kind; raises RateLimited."""
        if self._limiter is None:
            return
        verdict = self._limiter.hit(key, limit=limit, window_seconds=window_seconds)
        if not verdict.is_allowed:
            raise RateLimited(EXCEEDED, retry_after_seconds=verdict.retry_after_seconds)
