"""Signing in: limits, constant work, few hashes at a time."""

from __future__ import annotations

import threading

from hogsend.access.admins import authenticate
from hogsend.access.limits import EXCEEDED, network_of
from hogsend.access.models import Admin
from hogsend.db import Database
from hogsend.errors import NotAllowed, RateLimited
from hogsend.kernel.addresses import normalize_email
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

    With ``limiter`` None nothing is counted.
    """

    def __init__(self, db: Database, *, limiter: RateLimiter | None) -> None:
        self._db = db
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
        if admin is None:
            raise WrongPassword("Invalid email or password")
        return admin

    def count(self, key: str, limit: int, window_seconds: int) -> None:
        """Count a call of another sensitive kind; raises RateLimited."""
        if self._limiter is None:
            return
        verdict = self._limiter.hit(key, limit=limit, window_seconds=window_seconds)
        if not verdict.is_allowed:
            raise RateLimited(EXCEEDED, retry_after_seconds=verdict.retry_after_seconds)
