"""Sliding-window limits, shared through Redis, per process while Redis is away."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from uuid import uuid4

from hogsend.kernel.clock import Clock
from hogsend.kv.client import Kv, KvUnavailable
from hogsend.kv.scripts import load_script

_MAX_KEYS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``remaining`` calls are left; a refused call may come again after ``retry_after_seconds``."""

    is_allowed: bool
    remaining: int
    retry_after_seconds: float = 0.0


class RateLimiter:
    """Counts calls per key in a sliding window; never fails and never blocks on Redis.

    Every call is remembered by itself, so this is for limits up to a few hundred; ``Quota`` is
    for larger ones. With Redis the server's clock counts, without it ``clock``.
    """

    def __init__(self, kv: Kv | None, *, clock: Clock) -> None:
        self._kv = kv
        self._clock = clock
        self._memory: dict[str, deque[int]] = {}
        self._lock = threading.Lock()

    def hit(self, key: str, *, limit: int, window_seconds: int = 60) -> Verdict:
        """Count one call under ``ratelimit:<key>`` unless the window is full."""
        window = window_seconds * 1000
        try:
            if self._kv is None:
                raise KvUnavailable("no Redis configured")
            allowed, count, wait = self._kv.run_script(
                load_script("rate_limit"),
                keys=[f"ratelimit:{key}"],
                args=[window, limit, str(uuid4())],
            )
        except KvUnavailable:
            now = int(self._clock.now().timestamp() * 1000)
            allowed, count, wait = self._hit_memory(key, limit, now, window)
        return Verdict(
            is_allowed=bool(allowed),
            remaining=max(0, limit - int(count)),
            retry_after_seconds=max(0, int(wait)) / 1000,
        )

    def _hit_memory(self, key: str, limit: int, now: int, window: int) -> tuple[bool, int, int]:
        with self._lock:
            if len(self._memory) > _MAX_KEYS:
                self._sweep(now - window)
            calls = self._memory.setdefault(key, deque())
            while calls and calls[0] <= now - window:
                calls.popleft()
            if len(calls) < limit:
                calls.append(now)
                return True, len(calls), 0
            return False, len(calls), calls[0] + window - now if calls else window

    def _sweep(self, floor: int) -> None:
        for key in [k for k, calls in self._memory.items() if not calls or calls[-1] <= floor]:
            del self._memory[key]
        if len(self._memory) > _MAX_KEYS:
            self._memory.clear()
