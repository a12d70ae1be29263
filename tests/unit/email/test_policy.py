from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogsend.email.policy import SendPolicy, SendWindow

DAY = SendWindow(start=time(8), end=time(21), timezone="UTC")
NIGHT = SendWindow(start=time(22), end=time(6), timezone="UTC")
ALWAYS = SendWindow(start=time(9), end=time(9), timezone="UTC")


def at(hour: int, minute: int = 0, *, day: int = 2) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        (DAY, at(8), None),
        (DAY, at(20, 59), None),
        (DAY, at(21), at(8, day=3)),
        (DAY, at(7, 59), at(8)),
        (DAY, at(0), at(8)),
        (NIGHT, at(23), None),
        (NIGHT, at(5, 59), None),
        (NIGHT, at(6), at(22)),
        (ALWAYS, at(3), None),
    ],
)
def test_window_table(window: SendWindow, now: datetime, opens: datetime | None) -> None:
    assert window.opens_at(now, timezone=None) == opens


def test_window_is_the_persons_when_their_zone_is_known() -> None:
    now = at(12)

    assert DAY.opens_at(now, timezone="America/Los_Angeles") == at(16)
    assert DAY.opens_at(now, timezone="Nowhere/Land") is None


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        # 02:30 does not exist on this night in Berlin: the later instant is meant.
        (datetime(2026, 3, 29, 0, 0, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        # 02:30 happens twice: the first time is meant.
        (datetime(2026, 10, 24, 23, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_window_on_nights_when_clocks_change(now: datetime, opens: datetime) -> None:
    window = SendWindow(start=time(2, 30), end=time(20), timezone="Europe/Berlin")

    assert window.opens_at(now, timezone=None) == opens


@given(
    now=st.datetimes(
        min_value=datetime(2025, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC)
    ),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
def test_window_told_instant_is_in_the_future_and_within_two_days(
    now: datetime, start: time, end: time, zone: str
) -> None:
    window = SendWindow(start=start, end=end, timezone=zone)

    opens = window.opens_at(now, timezone=None)

    if opens is not None:
        assert now < opens
        assert (opens - now).total_seconds() <= 49 * 3600
        local, before = opens.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
        assert local.time() >= start or local.utcoffset() != before.utcoffset()


@pytest.mark.parametrize("percent", [0.0, -5.0])
def test_control_group_of_nobody(percent: float) -> None:
    policy = SendPolicy(control_percent=percent)

    assert not any(policy.in_control_group(f"u{n}") for n in range(500))


def test_control_group_is_stable_capped_and_case_blind() -> None:
    policy = SendPolicy(control_percent=80.0)
    members = [n for n in range(4000) if policy.in_control_group(f"u{n}")]

    assert 0.12 < len(members) / 4000 < 0.18
    assert policy.in_control_group(f"U{members[0]}")
    other = SendPolicy(control_percent=15.0, control_salt="again")
    assert [n for n in range(4000) if other.in_control_group(f"u{n}")] != members
