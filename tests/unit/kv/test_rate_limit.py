from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from hogsend.kernel.clock import VirtualClock
from hogsend.kv import Kv, KvUnavailable
from hogsend.kv.rate_limit import RateLimiter


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_kv_without_server_raises_and_then_fails_at_once() -> None:
    now = 0.0
    kv = Kv(f"redis://127.0.0.1:{closed_port()}", ticks=lambda: now)

    with pytest.raises(KvUnavailable, match="does not answer"):
        kv.get("a")
    with pytest.raises(KvUnavailable, match="a moment ago"):
        kv.get("a")
    now = 5.0
    with pytest.raises(KvUnavailable, match="does not answer"):
        kv.get("a")
    kv.close()


def test_kv_url_nonsense_raises_only_when_used() -> None:
    kv = Kv("nonsense://x")

    with pytest.raises(KvUnavailable):
        kv.ping()


@pytest.mark.parametrize("has_dead_redis", [False, True])
def test_limiter_without_redis_counts_in_memory(has_dead_redis: bool) -> None:
    clock = VirtualClock()
    kv = Kv(f"redis://127.0.0.1:{closed_port()}") if has_dead_redis else None
    limiter = RateLimiter(kv, clock=clock)

    verdicts = [limiter.hit("k", limit=3) for _ in range(4)]

    assert [v.is_allowed for v in verdicts] == [True, True, True, False]
    assert [v.remaining for v in verdicts] == [2, 1, 0, 0]
    assert verdicts[3].retry_after_seconds == 60
    assert limiter.hit("other", limit=3).is_allowed


def test_limiter_window_slides_and_refused_calls_do_not_extend_it() -> None:
    clock = VirtualClock()
    limiter = RateLimiter(None, clock=clock)
    limiter.hit("k", limit=1)
    for _ in range(59):
        clock.advance(timedelta(seconds=1))
        assert not limiter.hit("k", limit=1).is_allowed

    clock.advance(timedelta(seconds=1))

    assert limiter.hit("k", limit=1).is_allowed
