"""The grammar of ``ctx.when``: examples first, then properties over zones and clock changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hogsend.errors import InvalidInput
from hogsend.journeys.runtime.schedule import SendWindow, When, parse_time
from hogsend.kernel.timezones import instant_of

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def when(local: str, zone: ZoneInfo = BERLIN) -> When:
    return When(now=datetime.fromisoformat(local).replace(tzinfo=zone), zone=zone)


def shown(instant: datetime, zone: ZoneInfo = BERLIN) -> str:
    assert instant.tzinfo is UTC
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M")


# 2026-06-09 is a Tuesday.
EXAMPLES: list[tuple[Callable[[When], datetime], str]] = [
    (lambda w: w.next("tue").at("09:30"), "2026-06-16 09:30"),
    (lambda w: w.next("tue").at("18:00"), "2026-06-09 18:00"),
    (lambda w: w.next("Tuesday").at("12:00"), "2026-06-16 12:00"),
    (lambda w: w.next("WED").at("9:05"), "2026-06-10 09:05"),
    (lambda w: w.next("mon").at("00:00"), "2026-06-15 00:00"),
    (lambda w: w.next_local("10:00"), "2026-06-10 10:00"),
    (lambda w: w.next_local("12:01"), "2026-06-09 12:01"),
    (lambda w: w.tomorrow().at("23:59"), "2026-06-10 23:59"),
    (lambda w: w.in_(timedelta(days=3)).at("8:00"), "2026-06-12 08:00"),
    (lambda w: w.in_(timedelta(hours=1)).at("8:00"), "2026-06-10 08:00"),
    (lambda w: w.in_(timedelta(hours=12)).at("8:00"), "2026-06-10 08:00"),
    (lambda w: w.if_past("now").next_local("10:00"), "2026-06-09 12:00"),
    (lambda w: w.if_past("now").next_local("13:00"), "2026-06-09 13:00"),
    (lambda w: w.if_past("now").next("tue").at("9:00"), "2026-06-09 12:00"),
    (lambda w: w.tz("Asia/Tokyo").next_local("20:00"), "2026-06-09 13:00"),
    (lambda w: w.tz("Asia/Tokyo").tomorrow().at("00:00"), "2026-06-09 17:00"),
    (lambda w: w.window("09:00", "17:00").next_local("08:00"), "2026-06-10 09:00"),
    (lambda w: w.window("09:00", "17:00").next_local("16:59"), "2026-06-09 16:59"),
    (lambda w: w.window("09:00", "17:00").next_local("17:00"), "2026-06-10 09:00"),
    (lambda w: w.window("22:00", "06:00").next_local("13:00"), "2026-06-09 22:00"),
    (lambda w: w.window("22:00", "06:00").next_local("23:00"), "2026-06-09 23:00"),
    (lambda w: w.window("22:00", "06:00").next_local("05:59"), "2026-06-10 05:59"),
    (lambda w: w.window("06:00", "06:00").next_local("03:00"), "2026-06-10 03:00"),
    (
        lambda w: w.if_past("now").window("13:00", "14:00").next_local("10:00"),
        "2026-06-09 13:00",
    ),
]


@pytest.mark.parametrize(("expression", "expected"), EXAMPLES)
def test_expression_at_noon_on_a_tuesday_gives_the_expected_time(
    expression: Callable[[When], datetime], expected: str
) -> None:
    assert shown(expression(when("2026-06-09 12:00"))) == expected


def test_modifier_leaves_the_original_as_it_was() -> None:
    original = when("2026-06-09 12:00")

    original.tz("Asia/Tokyo").window("01:00", "02:00").if_past("now")

    assert shown(original.next_local("10:00")) == "2026-06-10 10:00"


def test_default_window_applies_until_another_is_chosen() -> None:
    default = When(
        now=datetime(2026, 6, 9, 12, tzinfo=BERLIN),
        zone=BERLIN,
        send_window=SendWindow(start=time(9), end=time(17)),
    )

    assert shown(default.next_local("20:00")) == "2026-06-10 09:00"
    assert shown(default.window("00:00", "00:00").next_local("20:00")) == "2026-06-09 20:00"


@pytest.mark.parametrize(
    ("now", "wall", "expected"),
    [
        # clocks go forward at 02:00 on 2026-03-08
        ("2026-03-07 12:00", "02:30", "2026-03-08 03:30"),
        ("2026-03-07 12:00", "01:59", "2026-03-08 01:59"),
        ("2026-03-07 12:00", "09:00", "2026-03-08 09:00"),
        # clocks go back at 02:00 on 2026-11-01: 01:30 comes twice
        ("2026-10-31 12:00", "01:30", "2026-11-01 01:30"),
        ("2026-11-01 01:45", "01:30", "2026-11-02 01:30"),
    ],
)
def test_expression_over_a_clock_change_keeps_the_wall_time(
    now: str, wall: str, expected: str
) -> None:
    assert shown(when(now, NEW_YORK).next_local(wall), NEW_YORK) == expected


def test_expression_for_a_time_shown_twice_takes_the_earlier_one() -> None:
    instant = when("2026-10-31 12:00", NEW_YORK).next_local("01:30")

    assert instant == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_window_that_opens_in_an_hour_shown_twice_never_moves_back() -> None:
    second_half_past_one = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    window = SendWindow(start=time(1, 45), end=time(1, 50))

    opening = window.clamp(second_half_past_one, NEW_YORK)

    assert opening == datetime(2026, 11, 1, 6, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda w: w.next("someday"),
        lambda w: w.next(""),
        lambda w: w.next(2),
        lambda w: w.tz("Mars/Olympus"),
        lambda w: w.next_local("24:00"),
        lambda w: w.next_local("12:60"),
        lambda w: w.next_local("noon"),
        lambda w: w.next_local("١٢:٠٠"),
        lambda w: w.next_local("12:5"),
        lambda w: w.next_local(None),
        lambda w: w.tomorrow().at("123:00"),
        lambda w: w.in_(timedelta(0)),
        lambda w: w.in_(timedelta(hours=-1)),
        lambda w: w.in_(timedelta.max),
        lambda w: w.window("9", "17:00"),
        lambda w: w.if_past("never"),
    ],
)
def test_expression_that_cannot_be_meant_is_refused(misuse: Callable[[When], object]) -> None:
    with pytest.raises(InvalidInput):
        misuse(when("2026-06-09 12:00"))


def test_expression_beyond_the_calendar_is_refused() -> None:
    last = When(now=datetime(9999, 12, 31, 12, tzinfo=UTC), zone=ZoneInfo("UTC"))

    for misuse in (last.tomorrow, lambda: last.next("mon"), lambda: last.next_local("08:00")):
        with pytest.raises(InvalidInput, match="calendar"):
            misuse()


# Half-hour and two-hour changes, changes at midnight, a skipped day, odd offsets.
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "America/St_Johns",
        "America/Sao_Paulo",
        "Asia/Beirut",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Pacific/Chatham",
    ]
).map(ZoneInfo)
_ANY_TIME = st.datetimes(datetime(1985, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WALLS = st.times().map(lambda wall: wall.replace(second=0, microsecond=0))


@st.composite
def nows(draw: st.DrawFn, zone: ZoneInfo) -> datetime:
    """Any instant, but one in two within a day of a clock change of the zone."""
    instant = draw(_ANY_TIME)
    if draw(st.booleans()):
        for _ in range(366):
            if instant.astimezone(zone).utcoffset() != (
                (instant + timedelta(days=1)).astimezone(zone).utcoffset()
            ):
                return instant + timedelta(minutes=draw(st.integers(0, 24 * 60)))
            instant += timedelta(days=1)
    return instant


@st.composite
def schedules(draw: st.DrawFn) -> When:
    zone = draw(ZONES)
    return When(now=draw(nows(zone)), zone=zone)


def exists(day: date, wall: time, zone: ZoneInfo) -> bool:
    return instant_of(day, wall, zone).astimezone(zone).replace(tzinfo=None) == datetime.combine(
        day, wall
    )


@given(schedule=schedules(), wall=WALLS)
def test_next_local_is_the_first_minute_that_shows_the_time(schedule: When, wall: time) -> None:
    found = schedule.next_local(f"{wall:%H:%M}")

    local = found.astimezone(schedule.zone)
    assert found > schedule.now
    if local.time() != wall:
        # The clocks skip it: the wanted time is shown on no clock that day.
        assert local.time() > wall or local.date() > schedule.now.astimezone(schedule.zone).date()
        return
    # Oracle: look at every minute from now on, and skip what a clock shows for the second time.
    minute = schedule.now.replace(second=0, microsecond=0)
    while True:
        minute += timedelta(minutes=1)
        clock = minute.astimezone(schedule.zone)
        if clock.time() == wall and clock.fold == 0:
            break
    # A skipped time in between counts at its moved place, so the found one may only be earlier.
    assert found <= minute
    assert found == minute


@given(schedule=schedules(), wall=WALLS, weekday=st.sampled_from(WEEKDAYS))
def test_next_weekday_falls_on_that_day_within_a_week(
    schedule: When, wall: time, weekday: str
) -> None:
    found = schedule.next(weekday).at(f"{wall:%H:%M}")

    local = found.astimezone(schedule.zone)
    assume(exists(local.date(), wall, schedule.zone))
    assert schedule.now < found
    assert f"{local:%a}".lower() == weekday
    assert local.time() == wall
    assert local.date() - schedule.now.astimezone(schedule.zone).date() <= timedelta(days=7)


@given(
    schedule=schedules(),
    wall=WALLS,
    start=WALLS,
    end=WALLS,
    past=st.sampled_from(["next", "now"]),
    form=st.sampled_from(["next_local", "tomorrow", "in", "weekday"]),
)
def test_window_moves_to_its_next_opening_and_never_back(
    schedule: When, wall: time, start: time, end: time, past: str, form: str
) -> None:
    text = f"{wall:%H:%M}"
    forms: dict[str, Callable[[When], datetime]] = {
        "next_local": lambda w: w.next_local(text),
        "tomorrow": lambda w: w.tomorrow().at(text),
        "in": lambda w: w.in_(timedelta(hours=30)).at(text),
        "weekday": lambda w: w.next("sat").at(text),
    }
    schedule = schedule.if_past(past)  # type: ignore[arg-type]  # sampled from the two words
    free = forms[form](schedule)

    clamped = forms[form](schedule.window(f"{start:%H:%M}", f"{end:%H:%M}"))

    window = SendWindow(start=start, end=end)
    local = clamped.astimezone(schedule.zone)
    assert free >= schedule.now
    assert clamped >= free
    if window.contains(free.astimezone(schedule.zone).time()):
        assert clamped == free
    elif exists(local.date(), start, schedule.zone) and local.time() == start:
        # Nothing in between is inside the window, but for an hour that is shown again.
        probe = free + timedelta(minutes=1)
        while probe < clamped:
            clock = probe.astimezone(schedule.zone)
            assert clock.fold == 1 or not window.contains(clock.time())
            probe += timedelta(minutes=1)
    else:
        assert local.time() > start  # the opening is skipped by the clocks and moved forward


@given(schedule=schedules(), wall=WALLS)
def test_expression_is_the_same_for_the_same_now(schedule: When, wall: time) -> None:
    text = f"{wall:%H:%M}"

    assert schedule.next_local(text) == schedule.next_local(text)
    assert parse_time(text) == wall
