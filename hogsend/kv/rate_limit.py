"""Sliding-window limits, shared through Redis, per process while Redis is away."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from uuid import uuid4

from hogsend.kernel.clock import Clock
from hogsend.kv.client import Kv, KvUnavailable

# KEYS: window. ARGV: now in ms, window in ms, limit, member. Refused calls are not counted, so
# a client that polls at the limit recovers. Answers {allowed, count, ms until the oldest leaves}.
_SCRIPT = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tonumber(ARGV[1]) - tonumber(ARGV[2]))
local count = redis.call('ZCARD', KEYS[1])
if count < tonumber(ARGV[3]) then
  redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, count + 1, 0}
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local first = type(oldest[1]) == 'table' and oldest[1][2] or oldest[2]
return {0, count, tonumber(first) + tonumber(ARGV[2]) - tonumber(ARGV[1])}
"""
_MAX_KEYS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``remaining`` calls are left; a refused call may come again after ``retry_after_seconds``."""

    is_allowed: bool
    remaining: int
    retry_after_seconds: float = 0.0


class RateLimiter:
    """Counts calls per key in a sliding window; never fails and never blocks on Redis."""

    def __init__(self, kv: Kv | None, *, clock: Clock) -> None:
        self._kv = kv
        self._clock = clock
        self._memory: dict[str, deque[int]] = {}
        self._lock = threading.Lock()

    def hit(self, key: str, *, limit: int, window_seconds: int = 60) -> Verdict:
        """Count one call under ``ratelimit:<key>`` unless the window is full."""
        now = int(self._clock.now().timestamp() * 1000)
        window = window_seconds * 1000
        try:
            if self._kv is None:
                raise KvUnavailable("no Redis configured")
            allowed, count, wait = self._kv.run_script(
                _SCRIPT, keys=[f"ratelimit:{key}"], args=[now, window, limit, f"{now}:{uuid4()}"]
            )
        except KvUnavailable:
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
