from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hogsend.kernel.clock import VirtualClock
from hogsend.kv import Kv, heartbeat
from hogsend.kv.rate_limit import RateLimiter

pytestmark = pytest.mark.integration

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def kv(redis_url: str) -> Iterator[Kv]:
    opened = Kv(redis_url, prefix="t:")
    yield opened
    opened.close()


def test_kv_put_get_delete_round_trips(kv: Kv) -> None:
    assert kv.put("a", "1", ttl_seconds=60)
    assert not kv.put("a", "2", ttl_seconds=60, only_new=True)
    assert kv.get("a") == "1"

    kv.delete("a")

    assert kv.get("a") is None


def test_limiter_shares_its_window_between_processes(kv: Kv) -> None:
    clock = VirtualClock(datetime.now(UTC))
    one, two = RateLimiter(kv, clock=clock), RateLimiter(kv, clock=clock)
    assert one.hit("k", limit=2).remaining == 1
    clock.advance(timedelta(seconds=10))
    assert two.hit("k", limit=2).is_allowed

    refused = one.hit("k", limit=2)

    assert not refused.is_allowed
    assert refused.retry_after_seconds == 50
    clock.advance(timedelta(seconds=50, milliseconds=1))
    assert two.hit("k", limit=2).is_allowed


def test_heartbeat_last_worker_takes_the_legacy_key_along(kv: Kv) -> None:
    assert heartbeat.read(kv, now=NOW).last_seen_at is None
    heartbeat.write(kv, instance="a:1", now=NOW)
    heartbeat.write(kv, instance="b:2", now=NOW + timedelta(seconds=5))

    seen = heartbeat.read(kv, now=NOW + timedelta(seconds=6))
    heartbeat.remove(kv, instance="b:2", now=NOW + timedelta(seconds=7))
    after_one = heartbeat.read(kv, now=NOW + timedelta(seconds=8))
    heartbeat.remove(kv, instance="a:1", now=NOW + timedelta(seconds=9))

    assert seen.last_seen_at == NOW + timedelta(seconds=5)
    assert seen.instances == {"a:1": NOW, "b:2": NOW + timedelta(seconds=5)}
    assert after_one.last_seen_at is not None
    assert set(after_one.instances) == {"a:1"}
    assert heartbeat.read(kv, now=NOW + timedelta(seconds=10)).last_seen_at is None
