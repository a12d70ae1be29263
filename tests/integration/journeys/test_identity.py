"""People who become somebody else while they are enrolled."""

from __future__ import annotations

import pytest

from hogsend.conditions.pattern import on
from hogsend.events.models import NewEvent
from hogsend.journeys.meta import Entry
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import asker, napper, sleeper
from tests.integration.journeys.world import World

pytestmark = pytest.mark.integration


def visit(world: World, name: str, anonymous_id: str = "v1", **keys: str) -> None:
    world.ingest.ingest(NewEvent(name=name, anonymous_id=anonymous_id, **keys))  # type: ignore[arg-type]


def test_visitor_who_identifies_while_waiting_is_still_heard(make_world: MakeWorld) -> None:
    world = make_world(asker())
    visit(world, "start")
    world.pump()

    visit(world, "seen", external_id="ada", email="ada@people.test")
    world.ingest.ingest(NewEvent(name="answered", external_id="ada", properties={"word": "yes"}))

    assert world.pump() == {"completed": 1}
    assert [r.to for r in world.mailer.requests] == ["ada@people.test"]
    assert world.state("user_id, contact_id IS NOT NULL") == ("v1", True)  # the key stays


def test_visitor_who_identifies_while_waiting_is_still_exited(make_world: MakeWorld) -> None:
    world = make_world(napper(exit_on=[on("stop")]))
    visit(world, "start")
    world.pump()

    visit(world, "seen", external_id="ada")
    world.ingest.ingest(NewEvent(name="stop", external_id="ada"))

    assert world.states() == {"exited": 1}


def test_enrollment_without_a_contact_belongs_to_whoever_turns_up_under_its_key(
    make_world: MakeWorld,
) -> None:
    world = make_world(asker(entry=Entry.once()))
    observe = NewEvent(name="start", anonymous_id="v1", may_create=False)
    world.ingest.ingest(observe)
    world.pump()
    assert world.state("user_id, contact_id") == ("v1", None)

    visit(world, "seen", external_id="ada", email="ada@people.test")
    world.ingest.ingest(NewEvent(name="start", external_id="ada"))
    world.ingest.ingest(NewEvent(name="answered", external_id="ada", properties={"word": "me"}))

    assert world.pump() == {"already_entered_once": 1, "completed": 1}
    assert [(r.template, r.to) for r in world.mailer.requests] == [("got-me", "ada@people.test")]


def test_merge_of_two_who_are_inside_keeps_the_survivors_passage(make_world: MakeWorld) -> None:
    world = make_world(asker())
    world.ingest.ingest(NewEvent(name="start", email="loser@x.co"))
    world.ingest.ingest(NewEvent(name="start", external_id="ada"))
    world.pump()

    world.ingest.ingest(NewEvent(name="seen", external_id="ada", email="loser@x.co"))

    assert world.sql(
        "SELECT user_id = 'ada', status, exit_reason FROM journey_states ORDER BY status"
    ) == [(False, "exited", "merged"), (True, "waiting", None)]
    assert (world.count("waits"), world.count("outbox")) == (1, 0)
    world.ingest.ingest(NewEvent(name="answered", external_id="ada"))
    assert world.pump() == {"completed": 1}


def test_merge_that_ends_an_advance_under_way_wins_over_its_settle(make_world: MakeWorld) -> None:
    world = make_world(asker())
    world.ingest.ingest(NewEvent(name="start", external_id="ada"))
    world.pump()
    world.ingest.ingest(NewEvent(name="start", email="loser@x.co"))

    def merge(_: object) -> None:
        world.ingest.ingest(NewEvent(name="seen", external_id="ada", email="loser@x.co"))

    world.mailer.effects["question"] = merge

    assert world.pump() == {"lost": 1}
    assert world.states() == {"exited": 1, "waiting": 1}
    assert (world.count("waits"), world.count("outbox")) == (1, 0)


def test_merge_refreshes_the_address_of_enrollments(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    visit(world, "start")
    world.ingest.ingest(NewEvent(name="seen", email="ada@people.test"))
    world.pump()
    assert world.state("user_email") == ("",)

    visit(world, "seen", email="ada@people.test")

    assert world.state("user_email") == ("ada@people.test",)


def test_address_the_person_has_no_longer_gets_no_mail(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    world.ingest.ingest(NewEvent(name="start", external_id="ada", email="ada@people.test"))
    world.pump()
    world.sql("UPDATE contacts SET email = NULL")

    world.let_time_pass()
    world.pump()

    assert [r.template for r in world.mailer.requests] == ["before"]


def test_two_held_out_people_who_merge_stay_held_out(make_world: MakeWorld) -> None:
    world = make_world(napper(entry=Entry.once()))
    for keys in ({"external_id": "ada"}, {"email": "loser@x.co"}):
        world.ingest.ingest(NewEvent(name="seen", **keys))  # type: ignore[arg-type]
    world.sql(
        "INSERT INTO journey_states (user_id, contact_id, journey_id, status)"
        " SELECT id::text, id, 'napper', 'held_out' FROM contacts"
    )

    world.ingest.ingest(NewEvent(name="start", external_id="ada", email="loser@x.co"))

    assert world.pump() == {"already_entered_once": 1}
    assert world.states() == {"held_out": 2}
    assert world.sql("SELECT count(DISTINCT contact_id) FROM journey_states") == [(1,)]
