from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hogsend.kernel.clock import VirtualClock
from hogsend.kv.quota import Quota

ON_THE_MINUTE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(ON_THE_MINUTE)


def test_quota_without_redis_counts_in_memory(clock: VirtualClock) -> None:
    quota = Quota(None, clock=clock)

    verdicts = [quota.spend("k", limit=3) for _ in range(4)]

    assert [v.is_allowed for v in verdicts] == [True, True, True, False]
    assert [v.remaining for v in verdicts] == [2, 1, 0, 0]
    assert quota.spend("other", limit=3).is_allowed


def test_quota_window_slides_over_the_boundary(clock: VirtualClock) -> None:
    quota = Quota(None, clock=clock)
    clock.advance(timedelta(seconds=59))
    assert quota.spend("k", limit=100, cost=100).is_allowed

    clock.advance(timedelta(seconds=2))
    refused = quota.spend("k", limit=100, cost=50)
    clock.advance(timedelta(seconds=refused.retry_after_seconds))

    assert not refused.is_allowed
    assert refused.remaining == 1
    assert refused.retry_after_seconds == 29
    assert quota.spend("k", limit=100, cost=50).is_allowed


@pytest.mark.parametrize(("spent", "cost"), [(10, 10), (10, 1), (3, 8), (1, 10)])
def test_quota_retry_after_is_never_too_early_for_long(
    clock: VirtualClock, spent: int, cost: int
) -> None:
    quota = Quota(None, clock=clock)
    clock.advance(timedelta(seconds=17))
    quota.spend("k", limit=10, cost=spent)

    refused = quota.spend("k", limit=10, cost=cost)
    clock.advance(timedelta(seconds=refused.retry_after_seconds))

    assert not refused.is_allowed
    assert quota.spend("k", limit=10, cost=cost).is_allowed


def test_quota_cost_above_the_limit_is_refused_without_dividing_by_zero(
    clock: VirtualClock,
) -> None:
    quota = Quota(None, clock=clock)

    refused = quota.spend("k", limit=10, cost=11)

    assert not refused.is_allowed
    assert refused.retry_after_seconds > 0
