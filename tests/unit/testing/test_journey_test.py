"""What the fixture ``journey_test`` does for authors; it comes from the plugin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hogsend import App, on
from hogsend.errors import InvalidInput, ProviderTransient
from hogsend.journeys.holdout import is_held_out
from hogsend.testing import Deed, FakeConnector, JourneyTest
from tests.unit.testing import journeys

Make = Callable[..., JourneyTest]


def test_journey_answered_in_time_takes_the_short_path(journey_test: Make) -> None:
    trip = journey_test(journeys.good)

    trip.start().advance(hours=47).event("project.created", size=1)

    trip.assert_sent("welcome")
    trip.assert_status("exited")
    assert trip.enrollment.exit_reason == "knows the way"


def test_journey_not_answered_goes_on_when_the_time_is_up(journey_test: Make) -> None:
    trip = journey_test(journeys.good)

    trip.start().finish()

    trip.assert_sent("welcome", "getting-started")
    trip.assert_status("completed")
    assert trip.now == datetime(2025, 1, 3, 1, tzinfo=UTC)
    assert [mail.sent_at.day for mail in trip.mails] == [1, 3]


def test_event_that_does_not_match_wakes_nobody(journey_test: Make) -> None:
    trip = journey_test(journeys.good)

    trip.start().event("project.created", size=0).event("project.created", size="1")

    trip.assert_status("waiting")


def test_trigger_that_does_not_match_says_so(journey_test: Make) -> None:
    trip = journey_test(journeys.good).start(plan="internal")

    assert trip.refusals == ["trigger_conditions_not_met"]
    assert "[good] kept out trigger_conditions_not_met" in str(trip)
    with pytest.raises(AssertionError, match="nobody entered 'good': trigger_conditions_not_met"):
        trip.assert_status("waiting")


@pytest.mark.parametrize(
    ("event", "properties", "status"),
    [
        ("account.closed", {}, "exited"),
        ("plan.changed", {"plan": "none"}, "exited"),
        ("plan.changed", {"plan": "pro"}, "waiting"),
    ],
)
def test_exit_rule_ends_the_journey_only_when_it_matches(
    journey_test: Make, event: str, properties: dict[str, str], status: str
) -> None:
    trip = journey_test(journeys.good).start()

    trip.event(event, properties).advance(days=1)

    trip.assert_status(status)


def test_entry_limit_refuses_a_second_time(journey_test: Make) -> None:
    trip = journey_test(journeys.good).start().finish()

    trip.start()

    assert trip.refusals == ["already_entered_once"]
    assert len(trip.enrollments) == 1


def test_trigger_that_does_not_match_starts_nothing(journey_test: Make) -> None:
    trip = journey_test(journeys.good).start(plan="internal")

    assert trip.enrollments == []
    with pytest.raises(AssertionError, match="nobody entered 'good'"):
        _ = trip.status


def test_person_who_left_all_mail_does_not_enter(journey_test: Make) -> None:
    trip = journey_test(journeys.good, unsubscribed=True).start()

    assert trip.refusals == ["user_unsubscribed"]


def test_person_who_leaves_on_the_way_gets_no_more_mail(journey_test: Make) -> None:
    trip = journey_test(journeys.good).start()

    trip.person.unsubscribed = True
    trip.finish()

    trip.assert_sent("welcome")
    assert [result.status for _, result in trip.mailbox.stopped] == ["unsubscribed"]


def test_person_who_left_the_category_gets_none_of_its_mail(journey_test: Make) -> None:
    trip = journey_test(journeys.good, categories={"journey": False}).start().finish()

    trip.assert_sent()
    trip.assert_status("completed")


def test_holdout_keeps_the_same_people_out_as_in_production(journey_test: Make) -> None:
    for number in range(8):
        user_id = f"user-{number}"
        trip = journey_test(journeys.kept_out, user_id=user_id).start()

        expected = is_held_out("kept-out", user_id, percent=50, salt="s")
        assert (trip.status == "held_out") is expected


def test_provider_that_is_busy_is_asked_again_and_sends_once(journey_test: Make) -> None:
    trip = journey_test(journeys.good)
    trip.mailbox.fail_next(ProviderTransient("busy"), ProviderTransient("busy"))

    trip.start().advance(minutes=5)

    trip.assert_sent("welcome")
    assert "retried" in [entry.what for entry in trip.timeline]


def test_mail_is_rendered_with_the_templates_of_the_app(journey_test: Make) -> None:
    trip = journey_test(journeys.good, properties={"firstName": "Ada"}).start()

    [mail] = trip.mails
    assert mail.props["name"] == "Ada"
    assert mail.subject
    assert mail.html.startswith("<!")
    assert mail.text


def test_history_is_played_in_order(journey_test: Make) -> None:
    trip = journey_test(journeys.good)

    trip.play(
        [
            Deed(event="signed.up"),
            Deed(event="project.created", properties={"size": 3}, after=timedelta(days=1)),
        ]
    )

    trip.assert_status("exited")


def test_failed_assertion_shows_the_timeline(journey_test: Make) -> None:
    trip = journey_test(journeys.good, timezone="Europe/Berlin").start()

    with pytest.raises(AssertionError) as failed:
        trip.assert_sent("something-else")

    assert "2025-01-01 Wed 01:00  [good] mail sent welcome" in str(failed.value)
    assert "waiting first-project: for project.created" in str(failed.value)


def test_journey_that_is_not_registered_is_refused(journey_test: Make) -> None:
    async def stray(user: object, ctx: object) -> None: ...

    with pytest.raises(InvalidInput, match="stray is not registered"):
        journey_test(stray)
    with pytest.raises(InvalidInput, match="no journey 'nowhere'"):
        journey_test("nowhere", app=journeys.app)


def test_event_that_is_no_json_is_refused_as_over_http(journey_test: Make) -> None:
    trip = journey_test(journeys.good)

    with pytest.raises(ValueError, match="Unable to serialize"):
        trip.event("odd", {"object": object()})  # type: ignore[dict-item]  # the mistake under test


def test_time_never_runs_backwards(journey_test: Make) -> None:
    with pytest.raises(InvalidInput, match="backwards"):
        journey_test(journeys.good).advance(days=-1)


def test_other_journeys_of_the_app_run_only_when_asked_for(journey_test: Make) -> None:
    alone = journey_test(journeys.good, user_id="user-1").start()
    together = journey_test(journeys.good, user_id="user-1", with_others=True).start()

    assert {p.journey_id for p in alone.world.memory.passengers.values()} == {"good"}
    assert {p.journey_id for p in together.world.memory.passengers.values()} == {
        "good",
        "kept-out",
    }


def test_end_of_a_journey_starts_another_that_listens_to_it(journey_test: Make) -> None:
    trip = journey_test(journeys.good, with_others=True).start().finish()

    [afterwards] = [
        p for p in trip.world.memory.passengers.values() if p.journey_id == "afterwards"
    ]
    assert (afterwards.status, afterwards.node) == ("completed", "end-completed")
    assert "checkpoint:good-is-over" in [step.key for step in afterwards.steps]


def test_every_call_of_the_context_works_and_can_be_replayed(journey_test: Make) -> None:
    chat = FakeConnector(post=lambda args: {"id": f"post-{args['notes']}"})
    trip = journey_test(journeys.everything, connectors={"chat": chat}, timezone="America/New_York")

    trip.start(text="one").advance(hours=2).start(text="two").finish()

    trip.assert_status("completed")
    [call] = chat.calls
    assert call.args["arm"] in ("warm", "plain")
    [(event, properties)] = trip.triggered
    assert (event, properties["seen"], properties["answer"]) == ("notes.posted", 2, "post-2")
    assert (properties["room"], properties["takes_mail"]) == (True, True)
    assert trip.now.astimezone(ZoneInfo("America/New_York")).strftime("%H:%M") == "10:00"
    assert trip.refusals == ["already_active"]
    trip.assert_replay_safe()
    assert len(chat.calls) == 1


def test_being_kept_out_is_an_event_told_once(journey_test: Make) -> None:
    held_out = next(
        f"user-{n}" for n in range(50) if is_held_out("kept-out", f"user-{n}", percent=50, salt="s")
    )
    trip = journey_test(journeys.kept_out, user_id=held_out).start().start()

    assert trip.refusals == ["held_out", "held_out"]
    assert [name for name, _ in trip.triggered] == ["journey.heldout"]


def test_log_lines_are_kept_with_the_world(journey_test: Make) -> None:
    trip = journey_test(journeys.asks_for_ever).start()

    assert "journey.failed" in [line["event"] for line in trip.world.logs]


def test_template_that_changes_is_read_again(journey_test: Make, tmp_path: Path) -> None:
    file = tmp_path / "welcome.html"
    app = App("changing", templates=tmp_path)

    @app.journey(id="changing", name="c", trigger=on("go"))
    async def changing(user: Any, ctx: Any) -> None:
        await ctx.send_email("welcome")

    subjects = []
    for subject in ("one", "one", "another"):
        file.write_text(f'---\nsubject: {subject}\n---\n{{% extends "_layout.html" %}}\n')
        trip = journey_test(changing, app=app).start()
        subjects.append(trip.mails[0].subject)

    assert subjects == ["one", "one", "another"]
