from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from hogsend.kernel.clock import SystemClock, VirtualClock
from hogsend.kv import Kv
from hogsend.kv.quota import Quota
from hogsend.kv.rate_limit import RateLimiter
from tests.fakes.tcp_proxy import TcpProxy

pytestmark = pytest.mark.integration

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.fixture
def kv(redis_url: str) -> Iterator[Kv]:
    opened = Kv(redis_url, prefix="t:")
    yield opened
    opened.close()


def test_limiter_shares_its_window_between_processes_whose_clocks_differ(kv: Kv) -> None:
    one = RateLimiter(kv, clock=SystemClock())
    two = RateLimiter(kv, clock=VirtualClock(LONG_AGO))
    assert one.hit("k", limit=2, window_seconds=3).remaining == 1
    assert two.hit("k", limit=2, window_seconds=3).remaining == 0

    refused = one.hit("k", limit=2, window_seconds=3)

    assert not refused.is_allowed
    assert 0 < refused.retry_after_seconds <= 3
    time.sleep(refused.retry_after_seconds + 0.01)
    assert two.hit("k", limit=2, window_seconds=3).is_allowed


def test_quota_honours_its_own_retry_after(kv: Kv) -> None:
    quota = Quota(kv, clock=SystemClock())
    while quota.spend("k", limit=20, window_seconds=1).is_allowed:
        pass
    refused = quota.spend("k", limit=20, window_seconds=1)

    time.sleep(refused.retry_after_seconds + 0.01)

    assert refused.retry_after_seconds < 2
    assert quota.spend("k", limit=20, window_seconds=1).is_allowed


def test_quota_in_lots_never_lets_more_through_than_the_limit(kv: Kv) -> None:
    quotas = [Quota(kv, clock=SystemClock()) for _ in range(4)]
    allowed: list[int] = []

    def spend(quota: Quota) -> None:
        verdicts = [quota.spend("k", limit=2000, window_seconds=3600) for _ in range(800)]
        allowed.append(sum(v.is_allowed for v in verdicts))

    threads = [threading.Thread(target=spend, args=(quota,)) for quota in quotas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Every process may end with part of one lot (0.5 percent) that nobody else could use.
    assert 2000 - 4 * 10 <= sum(allowed) <= 2000


def test_quota_refuses_a_batch_that_does_not_fit_whole(kv: Kv) -> None:
    quota = Quota(kv, clock=SystemClock())
    assert quota.spend("k", limit=100, window_seconds=3600, cost=60).remaining == 40

    refused = quota.spend("k", limit=100, window_seconds=3600, cost=60)
    fitting = quota.spend("k", limit=100, window_seconds=3600, cost=40)

    assert (refused.is_allowed, refused.remaining) == (False, 40)
    assert (fitting.is_allowed, fitting.remaining) == (True, 0)


@pytest.mark.parametrize("kind", ["limiter", "quota"])
def test_limits_go_on_counting_when_redis_dies_and_share_again_when_it_is_back(
    redis_url: str, kind: str
) -> None:
    address = urlsplit(redis_url)
    proxy = TcpProxy(f"{address.hostname}:{address.port}")
    ticks = 0.0
    url = address._replace(netloc=f":{address.password or ''}@{proxy.address}").geturl()
    kv = Kv(url, prefix=f"{kind}:", ticks=lambda: ticks)
    limiter, quota = RateLimiter(kv, clock=SystemClock()), Quota(kv, clock=SystemClock())

    def call() -> bool:
        if kind == "limiter":
            return limiter.hit("k", limit=3, window_seconds=3600).is_allowed
        return quota.spend("k", limit=3, window_seconds=3600).is_allowed

    try:
        assert [call() for _ in range(2)] == [True, True]
        proxy.cut()
        while_away = [call() for _ in range(4)]
        proxy.mend()
        ticks = 10.0
        back = [call() for _ in range(2)]
    finally:
        kv.close()
        proxy.close()

    assert while_away == [True, True, True, False]
    assert back == [True, False]
