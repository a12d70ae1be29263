"""Which workers are alive: one entry per instance, plus the reference's single key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from hogsend.kernel.wire_json import iso_z
from hogsend.kv.client import Kv

INTERVAL_SECONDS = 10
TTL_SECONDS = 30

_LEGACY_KEY = "hogsend:worker:heartbeat"
_INSTANCES_KEY = "hogsend:worker:instances"
_VERSIONS_KEY = "hogsend:worker:versions"

# KEYS: legacy key, instances, versions. ARGV: instance, now in ms, ISO text, TTL in seconds,
# version of the program.
_WRITE = """
local floor = tonumber(ARGV[2]) - tonumber(ARGV[4]) * 1000
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', floor)
for _, name in ipairs(dead) do redis.call('HDEL', KEYS[3], name) end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', floor)
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[4])
return 1
"""
# One worker that leaves must not look like all of them: the legacy key goes with the last one.
_REMOVE = """
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
local floor = tonumber(ARGV[2]) - tonumber(ARGV[3]) * 1000
if redis.call('ZCOUNT', KEYS[2], floor, '+inf') == 0 then redis.call('DEL', KEYS[1]) end
return 1
"""
_READ = """
local legacy = redis.call('GET', KEYS[1])
local alive = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf', 'WITHSCORES')
return {legacy, alive, redis.call('HGETALL', KEYS[3])}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """``last_seen_at`` is None when no worker is alive; ``instances`` maps name to last beat,
    ``versions`` name to the version it runs."""

    last_seen_at: datetime | None
    instances: dict[str, datetime]
    versions: dict[str, str]


def write(kv: Kv, *, instance: str, now: datetime, version: str = "") -> None:
    """Say that ``instance`` (``hostname:pid``) lives; raises KvUnavailable."""
    kv.run_script(
        _WRITE,
        keys=[_LEGACY_KEY, _INSTANCES_KEY, _VERSIONS_KEY],
        args=[instance, _millis(now), iso_z(now), TTL_SECONDS, version],
    )


def remove(kv: Kv, *, instance: str, now: datetime) -> None:
    """Say goodbye at a graceful stop; raises KvUnavailable."""
    kv.run_script(
        _REMOVE,
        keys=[_LEGACY_KEY, _INSTANCES_KEY, _VERSIONS_KEY],
        args=[instance, _millis(now), TTL_SECONDS],
    )


def read(kv: Kv, *, now: datetime) -> Workers:
    """Who beat within the last 30 seconds; raises KvUnavailable."""
    floor = _millis(now) - TTL_SECONDS * 1000
    keys = [_LEGACY_KEY, _INSTANCES_KEY, _VERSIONS_KEY]
    legacy, alive, versions = kv.run_script(_READ, keys=keys, args=[floor])
    return Workers(
        last_seen_at=_parse(legacy),
        instances={
            name: datetime.fromtimestamp(float(score) / 1000, UTC)
            for name, score in _pairs(alive).items()
        },
        versions=_pairs(versions),
    )


def _pairs(answer: object) -> dict[str, str]:
    """Names and values; RESP3 answers pairs or a map, RESP2 a flat list."""
    if isinstance(answer, dict):
        return {str(name): str(value) for name, value in answer.items()}
    flat: list[object] = []
    for item in answer if isinstance(answer, list | tuple) else ():
        flat.extend(item if isinstance(item, list | tuple) else [item])
    return {str(flat[i]): str(flat[i + 1]) for i in range(0, len(flat), 2)}


def _parse(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _millis(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
