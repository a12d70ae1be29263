"""Each way to break a replay is found, and named with file and line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hogsend.testing import Deed, JourneyTest, assert_replay_safe
from tests.unit.testing import journeys

Make = Callable[..., JourneyTest]


# Read where it is imported: when the file changes during a run, the code that runs does not.
SOURCE = Path(journeys.__file__).read_text().splitlines()


def line_of(function: Any, text: str) -> str:
    first = function.__code__.co_firstlineno
    number = next(n for n, line in enumerate(SOURCE[first - 1 :], start=first) if text in line)
    return f"{inspect.getsourcefile(function)}:{number}"


@pytest.mark.parametrize("answer", [True, False])
def test_good_journey_passes_on_every_path(journey_test: Make, answer: bool) -> None:
    trip = journey_test(journeys.good).start().advance(hours=3)
    if answer:
        trip.event("project.created", size=2)
    trip.finish()

    trip.assert_replay_safe()

    assert len(trip.world.advances) == (2 if answer else 3)


@pytest.mark.parametrize(
    ("journey", "kind", "text", "hint"),
    [
        (journeys.reads_the_clock, "clock", "datetime.now", "datetime.now(); use await ctx.now()"),
        (journeys.reads_time, "clock", "time.time", "time.time(); use await ctx.now()"),
        (journeys.rolls_dice, "randomness", "random.choice", "ctx.variant or ctx.once"),
        (journeys.makes_ids, "randomness", "uuid.uuid4", "uuid.uuid4()"),
        (journeys.sleeps_for_real, "blocking", "time.sleep", "asyncio.to_thread or ctx.sleep"),
        (journeys.asyncio_sleep, "blocking", "asyncio.sleep", "use ctx.sleep"),
        (journeys.cleans_up, "cancellation", "send_email", "ctx.send_email() while being ended"),
    ],
)
def test_journey_that_cannot_be_replayed_is_named_with_its_line(
    journey_test: Make, journey: Callable[..., Any], kind: str, text: str, hint: str
) -> None:
    trip = journey_test(journey).start()

    with pytest.raises(AssertionError) as failed:
        trip.assert_replay_safe()

    assert f"{line_of(journey, text)}: {kind}: " in str(failed.value)
    assert hint in str(failed.value)


def test_journey_that_computes_for_long_is_named(journey_test: Make) -> None:
    trip = journey_test(journeys.computes).start()

    with pytest.raises(AssertionError, match=r"blocking: computes for 0\.\d s without a pause"):
        trip.assert_replay_safe()


def test_journey_that_swallows_cancellation_is_named(journey_test: Make) -> None:
    trip = journey_test(journeys.swallows).start()

    with pytest.raises(AssertionError, match="cancellation: goes on when it is cancelled"):
        trip.assert_replay_safe()


def test_journey_that_never_waits_is_stopped_and_named(journey_test: Make) -> None:
    trip = journey_test(journeys.never_waits)
    trip.world.breaker._limit = 0.3  # the default is meant for people, not for this suite

    trip.start()

    trip.assert_status("failed")
    with pytest.raises(AssertionError) as failed:
        trip.assert_replay_safe()
    assert "endless loop: a loop that never waits" in str(failed.value)
    assert f"{inspect.getsourcefile(journeys)}:" in str(failed.value)


def test_journey_that_asks_for_ever_without_a_pause_fails(journey_test: Make) -> None:
    trip = journey_test(journeys.asks_for_ever).start()

    trip.assert_status("failed")
    assert "never waits" in (trip.enrollment.error or "")


def test_journey_that_depends_on_the_past_of_the_process_is_named(journey_test: Make) -> None:
    trip = journey_test(journeys.remembers).start()

    with pytest.raises(AssertionError, match=r"replay: a replay ends with waiting at 'wait:nap-"):
        trip.assert_replay_safe()


def test_journey_that_would_send_a_second_time_is_named(journey_test: Make) -> None:
    trip = journey_test(journeys.sends_again).start()

    with pytest.raises(AssertionError) as failed:
        trip.assert_replay_safe()

    assert "replay: sends again what was sent: journeySend:" in str(failed.value)


def test_journey_that_swallows_its_exit_is_named(journey_test: Make) -> None:
    trip = journey_test(journeys.will_not_go).start()

    trip.assert_status("exited")
    with pytest.raises(AssertionError, match=r"cancellation: goes on after ctx\.exit"):
        trip.assert_replay_safe()


def test_randomness_with_a_seed_of_its_own_is_allowed(journey_test: Make) -> None:
    journey_test(journeys.fine_randomness).start().finish().assert_replay_safe()


def test_function_form_plays_a_history_to_its_end() -> None:
    trip = assert_replay_safe(
        journeys.good, [Deed(event="signed.up"), Deed(event="x", after=timedelta(days=1))]
    )

    trip.assert_sent("welcome", "getting-started")
    with pytest.raises(AssertionError, match="randomness"):
        assert_replay_safe(journeys.rolls_dice, [Deed(event="rolls-dice")])
