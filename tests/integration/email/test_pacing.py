from __future__ import annotations

from datetime import timedelta

import pytest

from hogsend.email.pacing import Pacer, Rate, RateLimits
from hogsend.kernel.clock import VirtualClock
from hogsend.kv.client import Kv

pytestmark = pytest.mark.integration


def seconds(pacer: Pacer, caller: str, address: str | None = "a@one.example") -> float:
    return pacer.ask(caller, address).total_seconds()


@pytest.fixture(params=["memory", "redis"])
def kv(request: pytest.FixtureRequest) -> Kv | None:
    if request.param == "memory":
        return None
    return Kv(request.getfixturevalue("redis_url"), prefix="pacing-test:")


def build(limits: RateLimits, kv: Kv | None, clock: VirtualClock, name: str) -> Pacer:
    return Pacer(limits, provider=name, kv=kv, clock=clock)


def test_pacer_spreads_callers_and_honours_reserved_turns(
    kv: Kv | None, request: pytest.FixtureRequest
) -> None:
    clock = VirtualClock()
    pacer = build(RateLimits(provider=Rate(per_second=2)), kv, clock, request.node.name)

    waits = [seconds(pacer, f"m{n}") for n in range(4)]
    again = seconds(pacer, "m2")
    clock.advance(timedelta(seconds=1))
    in_turn, late, too_early = seconds(pacer, "m2"), seconds(pacer, "m1"), seconds(pacer, "m3")

    assert waits == pytest.approx([0, 0.5, 1.0, 1.5], abs=0.01)
    assert again == pytest.approx(1.0, abs=0.01)
    assert (in_turn, late) == (0, 0)
    assert too_early == pytest.approx(0.5, abs=0.01)


def test_pacer_burst_goes_at_once_after_a_pause(
    kv: Kv | None, request: pytest.FixtureRequest
) -> None:
    clock = VirtualClock()
    rates = RateLimits(provider=Rate(per_second=10, burst=3))
    pacer = build(rates, kv, clock, request.node.name)

    first = [seconds(pacer, f"a{n}") for n in range(4)]
    clock.advance(timedelta(seconds=5))
    second = [seconds(pacer, f"b{n}") for n in range(3)]

    assert first == pytest.approx([0, 0, 0, 0.1], abs=0.01)
    assert second == [0, 0, 0]


def test_pacer_domains_do_not_wait_for_each_other(
    kv: Kv | None, request: pytest.FixtureRequest
) -> None:
    name = f"{abs(hash(request.node.name))}.example"
    limits = RateLimits(domains={name: Rate(per_second=1), "*": Rate(per_second=100)})
    pacer = build(limits, kv, VirtualClock(), request.node.name)

    slow = [seconds(pacer, f"s{n}", f"x@{name}") for n in range(2)]
    other = seconds(pacer, "o", f"x@other-{name}")

    assert slow == pytest.approx([0, 1], abs=0.01)
    assert other == 0


def test_pacer_stricter_of_two_limits_decides(
    kv: Kv | None, request: pytest.FixtureRequest
) -> None:
    name = f"{abs(hash(request.node.name))}.example"
    limits = RateLimits(provider=Rate(per_second=10), domains={name: Rate(per_second=1)})
    pacer = build(limits, kv, VirtualClock(), request.node.name)

    waits = [seconds(pacer, f"m{n}", f"x@{name}") for n in range(2)]

    assert waits == pytest.approx([0, 1], abs=0.01)


def test_pacer_nobody_is_told_to_wait_for_hours() -> None:
    pacer = build(RateLimits(provider=Rate(per_second=0.001)), None, VirtualClock(), "p")

    waits = [seconds(pacer, f"m{n}") for n in range(5)]

    assert max(waits) == 900


def test_pacer_without_limits_is_idle_and_asks_nobody() -> None:
    pacer = build(RateLimits(), None, VirtualClock(), "p")

    assert pacer.is_idle
    assert seconds(pacer, "m") == 0


def test_pacer_goes_on_without_redis() -> None:
    gone = Kv("redis://127.0.0.1:1/0")
    pacer = build(RateLimits(provider=Rate(per_second=2)), gone, VirtualClock(), "p")

    assert [seconds(pacer, f"m{n}") for n in range(2)] == [0, 0.5]
