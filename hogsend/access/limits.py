"""How often a caller may come: per key, per address, and after failed attempts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from hogsend.access.models import Principal
from hogsend.errors import RateLimited
from hogsend.kv.quota import Quota
from hogsend.kv.rate_limit import RateLimiter, Verdict
from hogsend.web.http import Allowance, Request

EXCEEDED = "Rate limit exceeded"
_MAX_BLOCKED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRule:
    """``limit`` calls in ``window_seconds`` for each key; 0 is no limit.

    ``name`` is part of the counter's name, so routes with the same name share it. ``is_large``
    counts in constant space (see ``Quota``).
    """

    name: str
    limit: int
    window_seconds: int = 60
    is_large: bool = False


EMAILS = RateRule(name="emails", limit=30)
ADMIN = RateRule(name="", limit=100)


class RateLimits:
    """Counts calls of principals and addresses; one per process."""

    def __init__(self, limiter: RateLimiter, quota: Quota) -> None:
        self._limiter = limiter
        self._quota = quota

    def count(self, req: Request, principal: Principal, rule: RateRule, *, cost: int = 1) -> None:
        """Count a call and set ``req.allowance``; raises RateLimited when there are too many."""
        key = f"{rule.name}:{principal.id}" if rule.name else principal.id
        self._count(req, key, rule, cost)

    def count_address(self, req: Request, rule: RateRule) -> None:
        """Count a call of the caller's address; raises RateLimited."""
        self._count(req, f"{rule.name}:ip:{network_of(req.client_ip)}", rule, 1)

    def _count(self, req: Request, key: str, rule: RateRule, cost: int) -> None:
        if not rule.limit:
            return
        verdict = self._ask(key, rule, cost)
        before = req.allowance
        # With two limits the caller is told about the one that is nearer.
        if before is None or verdict.remaining < before.remaining or not verdict.is_allowed:
            req.allowance = Allowance(rule.limit, verdict.remaining)
        if not verdict.is_allowed:
            raise RateLimited(EXCEEDED, retry_after_seconds=verdict.retry_after_seconds)

    def _ask(self, key: str, rule: RateRule, cost: int) -> Verdict:
        if rule.is_large:
            return self._quota.spend(
                key, limit=rule.limit, window_seconds=rule.window_seconds, cost=cost
            )
        return self._limiter.hit(key, limit=rule.limit, window_seconds=rule.window_seconds)


class FailedAttempts:
    """Bad credentials by address.

    An address with too many is refused guesses for the rest of the window: whatever it sends
    that is not a stored key is answered with 429, the master key too. A stored key keeps
    working: it has 256 random bits, and neighbours behind one address must not lock each other
    out.
    """

    def __init__(
        self,
        limiter: RateLimiter | None,
        *,
        limit: int,
        window_seconds: int = 60,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limiter = limiter if limit else None
        self._limit = limit
        self._window_seconds = window_seconds
        self._ticks = ticks
        self._blocked: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_blocked(self, address: str) -> bool:
        """True while this process knows the address to have failed too often; asks nobody."""
        return bool(self._blocked) and self._remaining(network_of(address)) > 0

    def note(self, address: str) -> None:
        """Count a failure; raises RateLimited once there are too many."""
        if self._limiter is None:
            return
        network = network_of(address)
        wait = self._remaining(network)
        if wait <= 0:
            verdict = self._limiter.hit(
                f"failed:{network}", limit=self._limit, window_seconds=self._window_seconds
            )
            if verdict.is_allowed:
                return
            wait = verdict.retry_after_seconds
            with self._lock:
                if len(self._blocked) >= _MAX_BLOCKED:
                    self._blocked.clear()
                self._blocked[network] = self._ticks() + wait
        raise RateLimited(EXCEEDED, retry_after_seconds=wait)

    def _remaining(self, network: str) -> float:
        until = self._blocked.get(network)
        if until is None:
            return 0.0
        left = until - self._ticks()
        if left <= 0:
            with self._lock:
                self._blocked.pop(network, None)
        return left


def network_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 an IPv6 host can roam in."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)
