"""Histories drawn at random concern the journey they are drawn for."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import find, given, settings

from hogsend.testing import Deed, JourneyTest
from hogsend.testing.strategies import histories
from tests.unit.testing import journeys


@given(history=histories(journeys.good))
def test_history_begins_with_the_trigger_and_names_known_events(history: tuple[Deed, ...]) -> None:
    assert history[0].event == "signed.up"
    assert {deed.event for deed in history} <= {
        "signed.up",
        "account.closed",
        "plan.changed",
        "project.created",
    }
    assert all(deed.after >= timedelta(0) for deed in history)


def test_histories_reach_every_end_of_the_journey() -> None:
    def ends(history: tuple[Deed, ...], status: str, templates: list[str]) -> bool:
        trip = JourneyTest(journeys.good)
        try:
            trip.play(history)
            return any(p.status == status for p in trip.enrollments) and trip.templates == templates
        finally:
            trip.close()

    quick = settings(max_examples=2000, deadline=None)
    find(histories(journeys.good), lambda h: ends(h, "exited", ["welcome"]), settings=quick)
    find(
        histories(journeys.good),
        lambda h: ends(h, "completed", ["welcome", "getting-started"]),
        settings=quick,
    )


@settings(max_examples=40, deadline=None)
@given(history=histories(journeys.good))
def test_good_journey_can_be_replayed_whatever_happens(history: tuple[Deed, ...]) -> None:
    trip = JourneyTest(journeys.good)
    try:
        trip.play(history)
        if trip.enrollments:
            trip.finish()
        trip.assert_replay_safe()
    finally:
        trip.close()
