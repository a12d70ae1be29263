"""How fast mail may leave: per provider and per recipient domain, shared through Redis."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hogsend.kernel.addresses import domain_of
from hogsend.kernel.clock import Clock
from hogsend.kv.client import Kv, KvUnavailable

# Generic cell rate: each key holds the instant (ms) at which it is free again. A caller that must
# wait gets a slot of its own, remembered under its name, so that coming back then succeeds and the
# slots of all who wait are spread instead of colliding.
# KEYS: the caller's slot, then one per limit. ARGV: now, longest wait to hand out, then per limit
# interval and burst (all ms; burst = how far ahead of the even pace one may run). Answers ms to
# wait, 0: go.
_SCRIPT = """
local now = tonumber(ARGV[1])
local slot = redis.call('GET', KEYS[1])
if slot then
  local left = tonumber(slot) - now
  if left <= 0 then redis.call('DEL', KEYS[1]) return 0 end
  return left
end
local at = now
for i = 2, #KEYS do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local free = tonumber(redis.call('GET', KEYS[i]) or 0)
  at = math.max(at, free - burst)
end
local wait = math.ceil(at - now)
if wait > tonumber(ARGV[2]) then return tonumber(ARGV[2]) end
for i = 2, #KEYS do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local free = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), at)
  redis.call('SET', KEYS[i], string.format('%.3f', free + interval),
    'PX', math.ceil(free + interval - now + 1000))
end
if wait > 0 then redis.call('SET', KEYS[1], string.format('%.3f', at), 'PX', wait + 600000) end
return wait
"""
# Nobody is told to wait longer than this: slots would outlive restarts and changes of the rate.
_LONGEST_WAIT_MS = 15 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``per_second`` evenly spaced, ``burst`` at once after a pause."""

    per_second: float
    burst: int = 1

    @property
    def interval_ms(self) -> float:
        """Between two sends at full speed."""
        return 1000.0 / self.per_second

    @property
    def burst_ms(self) -> float:
        """How far ahead of the even pace one may run."""
        return self.interval_ms * (self.burst - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """``provider`` None: as fast as it goes. A domain without a rule has the rule ``*``, if any."""

    provider: Rate | None = None
    domains: Mapping[str, Rate] = field(default_factory=dict)

    def for_domain(self, domain: str) -> Rate | None:
        """The rule of a recipient domain."""
        return self.domains.get(domain) or self.domains.get("*")


class Pacer:
    """Hands out slots; never fails: without Redis it counts in this process."""

    def __init__(self, limits: RateLimits, *, provider: str, kv: Kv | None, clock: Clock) -> None:
        self._limits = limits
        self._provider = provider
        self._kv = kv
        self._clock = clock
        self._memory: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def is_idle(self) -> bool:
        """True when nothing is limited."""
        return self._limits.provider is None and not self._limits.domains

    def ask(self, caller: str, address: str | None, *, counts_call: bool = True) -> timedelta:
        """How long ``caller`` (a name for this mail) has to wait; zero: send now.

        A zero answer uses the slot up. A longer one reserves a slot: the same caller asking
        again after that long gets zero. A batch is one call of the provider: ask once with
        ``address`` None, and for each mail with ``counts_call`` False.
        """
        limited: list[tuple[str, Rate | None]] = []
        if counts_call:
            limited.append((f"provider:{self._provider}", self._limits.provider))
        if address is not None:
            domain = domain_of(address)
            limited.append((f"domain:{domain}", self._limits.for_domain(domain)))
        rates = [(name, rate) for name, rate in limited if rate is not None]
        if not rates:
            return timedelta(0)
        now = self._clock.now().timestamp() * 1000
        try:
            if self._kv is None:
                raise KvUnavailable("no Redis configured")
            wait = self._ask_redis(caller, rates, now)
        except KvUnavailable:
            wait = self._ask_memory(caller, rates, now)
        return timedelta(milliseconds=wait)

    def _ask_redis(self, caller: str, rates: Sequence[tuple[str, Rate]], now: float) -> float:
        assert self._kv is not None
        args: list[str | int] = [f"{now:.3f}", _LONGEST_WAIT_MS]
        for _, rate in rates:
            args += [f"{rate.interval_ms:.6f}", f"{rate.burst_ms:.6f}"]
        keys = [f"mailrate:slot:{caller}", *(f"mailrate:{name}" for name, _ in rates)]
        return float(self._kv.run_script(_SCRIPT, keys=keys, args=args))

    def _ask_memory(self, caller: str, rates: Sequence[tuple[str, Rate]], now: float) -> float:
        slot = f"slot:{caller}"
        with self._lock:
            if slot in self._memory:
                left = self._memory[slot] - now
                if left <= 0:
                    del self._memory[slot]
                return max(left, 0.0)
            at = max([now, *(self._memory.get(n, 0.0) - r.burst_ms for n, r in rates)])
            if at - now > _LONGEST_WAIT_MS:
                return float(_LONGEST_WAIT_MS)
            for name, rate in rates:
                self._memory[name] = max(self._memory.get(name, 0.0), at) + rate.interval_ms
            if at > now:
                self._memory[slot] = at
            if len(self._memory) > 20_000:
                self._memory = {k: v for k, v in self._memory.items() if v > now}
            return at - now


def to_instant(now: datetime, wait: timedelta) -> datetime | None:
    """When to come back; None: now."""
    return now + wait if wait > timedelta(0) else None
