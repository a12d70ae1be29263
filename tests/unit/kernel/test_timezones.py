"""Zones by name, and times that clocks skip or show twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from hogsend.errors import InvalidInput
from hogsend.kernel.timezones import find_zone, get_zone, instant_of


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5"])
def test_zone_with_a_known_name_is_found(name: str) -> None:
    assert get_zone(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "../etc/passwd",
        "/etc/localtime",
        "America",
        "localtime",
        "a\x00b",
        3,
        None,
        "Europe/Berlin/",
        "Europe//Berlin",
        "x" * 5000,
    ],
)
def test_zone_with_any_other_name_is_refused(name: object) -> None:
    assert find_zone(name) is None
    with pytest.raises(InvalidInput, match="not a time zone"):
        get_zone(name)


def test_time_the_clocks_skip_moves_forward_by_the_gap() -> None:
    zone = get_zone("America/New_York")

    skipped = instant_of(date(2026, 3, 8), time(2, 30), zone)

    assert skipped == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert skipped.astimezone(zone).time() == time(3, 30)


def test_time_the_clocks_show_twice_is_the_earlier_one() -> None:
    zone = get_zone("America/New_York")

    assert instant_of(date(2026, 11, 1), time(1, 30), zone) == datetime(
        2026, 11, 1, 5, 30, tzinfo=UTC
    )
    assert instant_of(date(2026, 11, 1), time(1, 30), zone, is_later=True) == datetime(
        2026, 11, 1, 6, 30, tzinfo=UTC
    )
