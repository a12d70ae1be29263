"""What people get wrong when they write a journey: refused, and named with its line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hogsend.errors import InvalidInput
from hogsend.testing import FakeConnector, JourneyTest
from tests.unit.testing import mistakes

Make = Callable[..., JourneyTest]

SOURCE = Path(mistakes.__file__).read_text().splitlines()


def forgotten_line(function: Callable[..., Any]) -> str:
    first = function.__code__.co_firstlineno
    number = next(n for n, line in enumerate(SOURCE[first - 1 :], start=first) if "forgot" in line)
    return f"{inspect.getsourcefile(function)}:{number}"


@pytest.mark.parametrize(
    ("journey", "call"),
    [
        (mistakes.forgets_await, "ctx.send_email"),
        (mistakes.forgets_await_in_condition, "ctx.is_subscribed"),
        (mistakes.forgets_await_of_history, "ctx.history.has_event"),
        (mistakes.forgets_await_of_connector, "ctx.connector(...).call"),
        (mistakes.forgets_await_at_the_end, "ctx.exit"),
        (mistakes.starts_a_task, "ctx.send_email"),
    ],
)
def test_call_that_is_not_awaited_fails_the_journey_before_anything_else(
    journey_test: Make, journey: Callable[..., Any], call: str
) -> None:
    trip = journey_test(journey).start()

    trip.assert_status("failed")
    assert f"{call} at {forgotten_line(journey)} was never awaited" in str(trip.enrollment.error)
    trip.assert_sent()


def test_call_that_is_kept_for_after_a_pause_is_named(journey_test: Make) -> None:
    trip = journey_test(mistakes.keeps_a_call_for_later).start()

    trip.assert_status("failed")
    line = forgotten_line(mistakes.keeps_a_call_for_later)
    assert f"ctx.send_email at {line} was never awaited" in str(trip.enrollment.error)


def test_helper_that_is_not_awaited_is_named(journey_test: Make) -> None:
    trip = journey_test(mistakes.forgets_await_of_a_helper).start()

    with pytest.raises(AssertionError) as failed:
        trip.assert_replay_safe()

    line = forgotten_line(mistakes.forgets_await_of_a_helper)
    assert f"{line}: forgotten: coroutine 'greet' was never awaited" in str(failed.value)


def test_error_in_a_gather_is_not_lost(journey_test: Make) -> None:
    trip = journey_test(mistakes.gathers).start()

    trip.assert_status("failed")
    assert "was called from another task" in str(trip.enrollment.error)


def test_error_that_the_function_catches_decides_all_the_same(journey_test: Make) -> None:
    trip = journey_test(mistakes.catches_everything).start()

    trip.assert_status("failed")
    assert "no mail template is called 'wellcome'" in str(trip.enrollment.error)
    assert trip.enrollment.wait is None


def test_call_inside_a_timeout_is_named(journey_test: Make) -> None:
    trip = journey_test(mistakes.interrupts).start()

    trip.assert_status("failed")
    assert "ctx.send_email was interrupted" in str(trip.enrollment.error)


def test_error_of_a_connector_that_is_caught_is_the_same_in_every_replay(
    journey_test: Make,
) -> None:
    def refuse(args: object) -> None:
        if not chat.calls[1:]:
            raise ConnectionError("no route")

    chat = FakeConnector(post=refuse)
    trip = journey_test(mistakes.catches_a_connector, connectors={"chat": chat}).start().finish()

    trip.assert_status("completed")
    assert len(chat.calls) == 1
    assert "checkpoint:could not: no route" in [step.key for step in trip.enrollment.steps]
    trip.assert_replay_safe()


def test_error_of_a_connector_that_is_not_caught_is_tried_again(journey_test: Make) -> None:
    def refuse(args: object) -> None:
        if not chat.calls[1:]:
            raise TimeoutError("slow")

    chat = FakeConnector(post=refuse)
    trip = journey_test(mistakes.catches_a_connector, connectors={"chat": chat}).start().finish()

    trip.assert_status("completed")
    assert len(chat.calls) == 2
    assert "checkpoint:told" in [step.key for step in trip.enrollment.steps]


def test_error_inside_once_that_is_caught_is_the_same_in_every_replay(
    journey_test: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip = journey_test(mistakes.catches_once).start()
    monkeypatch.setattr(mistakes, "_WEATHER", ["sunny"])

    trip.finish()

    assert "checkpoint:weather-unknown" in [step.key for step in trip.enrollment.steps]
    trip.assert_replay_safe()


def test_value_of_once_is_from_the_first_time_on_what_is_stored(journey_test: Make) -> None:
    trip = journey_test(mistakes.keeps_a_tuple).start()

    trip.assert_status("completed")
    keys = [step.key for step in trip.enrollment.steps]
    assert "checkpoint:['a', {'1': '2025-01-01T00:00:00Z'}]" in keys


def test_journey_of_many_pauses_is_not_taken_for_an_endless_loop(journey_test: Make) -> None:
    trip = journey_test(mistakes.goes_on_for_years).start().finish(within=timedelta(days=3000))

    trip.assert_status("completed")
    assert trip.now == datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=2800)
    assert len(trip.mails) == 400


def test_label_that_looks_like_one_of_ours_takes_no_pause_away(journey_test: Make) -> None:
    trip = journey_test(mistakes.uses_a_label_like_ours).start().finish()

    assert trip.now == datetime(2025, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize("label", [7, "", " ", "x" * 201, "a\0b"])
def test_label_that_could_not_be_stored_is_refused(journey_test: Make, label: Any) -> None:
    trip = journey_test(mistakes.takes_any_label).start({"label": label})

    trip.assert_status("failed")
    assert "the label of ctx.sleep" in str(trip.enrollment.error)


@pytest.mark.parametrize(
    ("asked", "answers", "sent"),
    [
        ("news", {}, []),  # must be joined, and nobody asked
        ("news", {"news": True}, ["welcome"]),
        ("news", {"news": False}, []),
        ("tips", {}, ["welcome"]),
        ("tips", {"tips": False}, []),
        ("journey", {}, ["welcome"]),
    ],
)
def test_list_is_subscribed_when_the_mailer_would_send_to_it(
    journey_test: Make, asked: str, answers: dict[str, bool], sent: list[str]
) -> None:
    trip = journey_test(mistakes.asks_about_a_list, categories=answers).start(list=asked)

    trip.assert_sent(*sent)


def test_list_that_does_not_exist_is_named_with_the_one_that_was_meant(journey_test: Make) -> None:
    for trip in (
        journey_test(mistakes.asks_about_a_list).start(list="nwes"),
        journey_test(mistakes.counts_a_list_nobody_has).start(),
    ):
        trip.assert_status("failed")
        assert "no list is called 'nwes' (did you mean 'news'?)" in str(trip.enrollment.error)


def test_mail_to_a_list_that_must_be_joined_is_stopped_as_in_production(
    journey_test: Make,
) -> None:
    stranger = journey_test(mistakes.writes_to_a_list).start()
    member = journey_test(mistakes.writes_to_a_list, categories={"news": True}).start()

    stranger.assert_sent()
    [(_, result)] = stranger.mailbox.stopped
    assert result.reason == "category_unsubscribed"
    member.assert_sent("welcome")


def test_connector_of_the_app_does_nothing_in_a_test_and_is_seen(journey_test: Make) -> None:
    trip = journey_test(mistakes.rings).start()

    trip.assert_status("completed")
    assert "checkpoint:answered-None" in [step.key for step in trip.enrollment.steps]
    assert '[rings] told bell.ring {"times":2}' in str(trip)
    trip.assert_replay_safe()


@pytest.mark.parametrize(
    ("journey", "properties", "problem"),
    [
        (
            mistakes.mistypes,
            {"call": "send_mail"},
            "ctx has no 'send_mail' (did you mean 'send_email'?)",
        ),
        (mistakes.mistypes_a_template, {}, "called 'wellcome' (did you mean 'welcome'?)"),
        (
            mistakes.mistypes_a_zone,
            {},
            "'Europe/Berln' is not a time zone (did you mean 'Europe/Berlin'?)",
        ),
    ],
)
def test_name_that_is_mistyped_is_answered_with_the_one_that_was_meant(
    journey_test: Make, journey: Callable[..., Any], properties: dict[str, Any], problem: str
) -> None:
    trip = journey_test(journey).start(properties).finish()

    trip.assert_status("failed")
    assert problem in str(trip.enrollment.error)
    assert "(mistakes.py:" in str(trip.enrollment.error)


def test_zone_of_a_test_that_is_mistyped_is_refused(journey_test: Make) -> None:
    with pytest.raises(InvalidInput, match="did you mean 'Asia/Tokyo'"):
        journey_test(mistakes.rings, timezone="Asia/Tokio")


def test_beginning_without_a_zone_is_refused(journey_test: Make) -> None:
    with pytest.raises(InvalidInput, match="now has no time zone"):
        journey_test(mistakes.rings, now=datetime(2025, 1, 1))


def test_journey_that_leaves_its_path_shows_why_in_the_timeline(journey_test: Make) -> None:
    trip = journey_test(mistakes.counts_its_calls).start()

    with pytest.raises(AssertionError) as failed:
        trip.finish(within=timedelta(days=20))

    assert "does not end within 20 days" in str(failed.value)
    assert "[counts_its_calls] warned journey.drift: the code comes to 'wait:" in str(failed.value)
    assert "decides by something that is not recorded" in str(failed.value)
    with pytest.raises(AssertionError, match="replay"):
        trip.assert_replay_safe()
