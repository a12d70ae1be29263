"""Large limits at little cost: a process takes calls from the shared counter in small lots."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from hogsend.kernel.clock import Clock
from hogsend.kv.client import Kv, KvUnavailable
from hogsend.kv.rate_limit import Verdict
from hogsend.kv.scripts import load_script

# A lot is half a percent of the limit: what a process leaves unused until the window ends is lost
# to the others, and one round trip then pays for many calls.
_LOT = 200
_MAX_KEYS = 10_000


@dataclass(slots=True)
class _Lot:
    calls: int
    left_elsewhere: int
    until: float


@dataclass(slots=True)
class _Counter:
    bucket: int
    count: int
    before: int


class Quota:
    """Counts calls per key; never fails and never blocks on Redis.

    Below a limit of 200 every call asks Redis and the count is exact up to the approximation of
    a sliding window by two counters; above it processes take lots, which can refuse a caller
    half a percent per process too early and never lets one call too many through. While Redis is
    away each process counts for itself.
    """

    def __init__(
        self, kv: Kv | None, *, clock: Clock, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._kv = kv
        self._clock = clock
        self._ticks = ticks
        self._lots: dict[str, _Lot] = {}
        self._memory: dict[str, _Counter] = {}
        self._lock = threading.Lock()

    def spend(self, key: str, *, limit: int, window_seconds: int = 60, cost: int = 1) -> Verdict:
        """Count ``cost`` calls under ``ratelimit:<key>``, or none when they do not all fit."""
        with self._lock:
            lot = self._lots.get(key)
            held = lot.calls if lot is not None and lot.until > self._ticks() else 0
            if lot is not None and held >= cost:
                lot.calls -= cost
                return Verdict(is_allowed=True, remaining=lot.left_elsewhere + lot.calls)
            self._lots.pop(key, None)
        needed = cost - held
        granted, left, millis = self._take(key, limit, window_seconds * 1000, needed)
        if not granted:
            if held:
                self._keep(key, held, left, millis)
            return Verdict(
                is_allowed=False, remaining=held + left, retry_after_seconds=millis / 1000
            )
        spare = granted - needed
        if spare:
            self._keep(key, spare, left, millis)
        return Verdict(is_allowed=True, remaining=left + spare)

    def _take(self, key: str, limit: int, window: int, needed: int) -> tuple[int, int, int]:
        wanted = needed + limit // _LOT
        try:
            if self._kv is None:
                raise KvUnavailable("no Redis configured")
            granted, left, millis = self._kv.run_script(
                load_script("rate_limit_quota"),
                keys=[f"ratelimit:{key}"],
                args=[window, limit, wanted, needed],
            )
        except KvUnavailable:
            return self._take_memory(key, limit, window, needed)
        return int(granted), int(left), int(millis)

    def _keep(self, key: str, calls: int, left: int, millis: int) -> None:
        with self._lock:
            if len(self._lots) > _MAX_KEYS:
                self._lots.clear()
            until = self._ticks() + millis / 1000
            other = self._lots.get(key)  # of a request that ran at the same moment
            if other is not None and other.until > self._ticks():
                calls, until = calls + other.calls, min(until, other.until)
            self._lots[key] = _Lot(calls, left, until)

    def _take_memory(self, key: str, limit: int, window: int, needed: int) -> tuple[int, int, int]:
        """What the script does, for this process alone and without lots."""
        now = int(self._clock.now().timestamp() * 1000)
        bucket, elapsed = divmod(now, window)
        with self._lock:
            if len(self._memory) > _MAX_KEYS:
                self._memory.clear()
            counter = self._memory.setdefault(key, _Counter(bucket, 0, 0))
            if counter.bucket != bucket:
                counter.before = counter.count if counter.bucket == bucket - 1 else 0
                counter.bucket, counter.count = bucket, 0
            left = math.floor(limit - counter.count - counter.before * (window - elapsed) / window)
            if left >= needed:
                counter.count += needed
                return needed, left - needed, window - elapsed
            if counter.count + needed <= limit:
                free = limit - counter.count - needed
                wait = window * (1 - free / counter.before) - elapsed
            else:
                full = max(0, limit - needed) / counter.count if counter.count else 1
                wait = window - elapsed + window * max(0.0, 1 - full)
            return 0, max(0, left), math.ceil(max(1.0, wait))
