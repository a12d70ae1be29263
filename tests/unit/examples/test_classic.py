"""Every way through the example journeys: mails, end, replay safety, and a frozen timeline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as File

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogsend.examples.classic import app
from hogsend.testing import JourneyTest
from hogsend.testing.strategies import histories
from tests.unit.examples.paths import PATHS, Path

_SNAPSHOTS = File(__file__).parents[2] / "snapshots" / "journeys"
_CLASSIC = {
    "activation-nudge-series",
    "activation-welcome",
    "churn-prevention",
    "conversion-abandoned-checkout",
    "conversion-trial-upgrade",
    "feedback-nps",
    "reactivation-dormancy",
    "referral-invite",
    "retention-milestone",
    "test-onboarding",
}


@pytest.fixture(params=PATHS, ids=lambda path: path.id)
def travelled(request: pytest.FixtureRequest) -> Iterator[tuple[Path, JourneyTest]]:
    """A path, walked to its end."""
    path: Path = request.param
    trip = JourneyTest(path.journey, user_id="user-2", properties={"firstName": "Ada"})
    try:
        trip.start(path.trigger).play(path.deeds).finish()
        yield path, trip
    finally:
        trip.close()


def test_examples_are_the_ten_of_the_contract_and_every_one_is_walked() -> None:
    app.check()

    assert set(app.journeys) == _CLASSIC
    walked = {path.journey for path in PATHS}
    assert {definition.run for definition in app.journeys.values()} == walked


def test_example_on_a_path_sends_the_expected_mails_and_ends_as_expected(
    travelled: tuple[Path, JourneyTest],
) -> None:
    path, trip = travelled

    trip.assert_sent(*path.sent)
    trip.assert_status(path.status)
    theirs = [name for name, _ in trip.triggered]
    assert theirs == list(path.triggered)


def test_example_on_a_path_can_be_replayed(travelled: tuple[Path, JourneyTest]) -> None:
    _, trip = travelled

    trip.assert_replay_safe()


def test_example_on_a_path_takes_the_recorded_course(travelled: tuple[Path, JourneyTest]) -> None:
    path, trip = travelled
    file = _SNAPSHOTS / f"{path.id}.txt"
    course = _course(trip)

    if os.environ.get("HOGSEND_TEST_UPDATE_SNAPSHOTS"):
        file.write_text(course, encoding="utf-8")

    assert course == file.read_text(encoding="utf-8"), (
        "run once with HOGSEND_TEST_UPDATE_SNAPSHOTS=1 if the change is meant"
    )


def test_no_snapshot_is_left_of_a_path_that_is_gone() -> None:
    assert {file.stem for file in _SNAPSHOTS.glob("*.txt")} == {path.id for path in PATHS}


def _course(trip: JourneyTest) -> str:
    """The fingerprint, what happened to this journey, and its journal."""
    journey_id = trip.journey_id
    definition = trip.world.app.journeys[journey_id]
    lines = [f"version {definition.version_hash}"]
    begin = trip.timeline[0].at
    lines += [
        f"{entry.at - begin}  {entry.what} {entry.detail}".rstrip()
        for entry in trip.timeline
        if entry.journey_id in (None, journey_id)
    ]
    lines += [f"step {step.kind} {step.key}" for step in trip.enrollment.steps]
    return "\n".join(lines) + "\n"


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_examples_survive_any_history_and_can_be_replayed(data: st.DataObject) -> None:
    journey_id = data.draw(st.sampled_from(sorted(_CLASSIC)), label="journey")
    history = data.draw(histories(journey_id, app=app), label="history")
    trip = JourneyTest(journey_id, app=app)
    try:
        trip.play(history)
        if trip.enrollments:
            trip.finish()
        assert "failed" not in {p.status for p in trip.enrollments}, str(trip)
        trip.assert_replay_safe()
    finally:
        trip.close()
