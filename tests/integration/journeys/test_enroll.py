from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hogsend.conditions.builder import prop
from hogsend.conditions.pattern import on
from hogsend.db import Database, Query
from hogsend.events.ingest import Ingest
from hogsend.events.models import NewEvent
from hogsend.journeys.holdout import is_held_out
from hogsend.journeys.meta import Entry, Holdout
from hogsend.kernel.hashing import bucket_of
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import dumps
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import napper, sleeper
from tests.integration.journeys.world import Silent, World

pytestmark = pytest.mark.integration

_INSERT_STATE = (
    "INSERT INTO journey_states (user_id, contact_id, journey_id, status, created_at)"
    " SELECT 'ada', id, 'napper', :status, now() - make_interval(hours => :hours) FROM contacts"
)


def enter_before(world: World, status: str, *, hours: int = 0) -> None:
    """Ada has been in the journey before."""
    world.send("unrelated")
    world.sql(_INSERT_STATE, status=status, hours=hours)


def test_enroll_writes_the_state_the_contract_describes(make_world: MakeWorld) -> None:
    world = make_world(napper(version="v7"))

    event = world.send("start", plan="pro", seats=3, deep={"a": 1}, many=[1], __once__="x")
    outcomes = world.pump()

    assert outcomes == {"waiting": 1}
    columns = (
        "user_id, user_email, contact_id, journey_id, status, current_node_id, context,"
        " journey_version_label, trigger_event_id, entry_count, generation, attempt,"
        " wait_deadline IS NOT NULL, deleted_at"
    )
    assert world.state(columns) == (
        "ada", "ada@people.test", event.contact_id, "napper", "waiting", "nap",
        {"plan": "pro", "seats": 3}, "v7", event.event_id, 1, 1, 0, True, None,
    )  # fmt: skip
    logs = world.sql("SELECT action, to_node_id FROM journey_logs ORDER BY created_at, action")
    assert logs == [("entered", "start"), ("sleep", "nap")]
    assert world.count("outbox") == 0


def test_enroll_batch_of_pauses_is_two_statements(make_world: MakeWorld) -> None:
    world = make_world(napper())
    for n in range(20):
        world.send("start", f"u{n}")
    (run,) = world.claim()
    world.db.names.clear()

    outcomes = asyncio.run(world.work(run))

    assert outcomes == {"waiting": 20}
    assert world.db.names == ["begin_advances", "settle_advances"]
    assert world.states() == {"waiting": 20}


@pytest.mark.parametrize("status", ["completed", "failed", "exited", "held_out", "deleted"])
def test_entry_once_counts_every_earlier_row(make_world: MakeWorld, status: str) -> None:
    world = make_world(napper(entry=Entry.once()))
    enter_before(world, "completed" if status == "deleted" else status)
    if status == "deleted":
        world.sql("UPDATE journey_states SET deleted_at = now()")

    world.send("start")

    assert world.pump() == {"already_entered_once": 1}
    assert world.skips() == {"already_entered_once": 1}
    assert world.count("outbox") == 0


@pytest.mark.parametrize(("hours", "outcome"), [(2, "period_not_elapsed"), (4, "waiting")])
def test_entry_once_per_period_looks_at_the_newest_row(
    make_world: MakeWorld, hours: int, outcome: str
) -> None:
    world = make_world(napper(entry=Entry.once_per(timedelta(hours=3))))
    enter_before(world, "completed", hours=hours)
    world.sql(_INSERT_STATE, status="failed", hours=100)

    world.send("start")

    assert world.pump() == {outcome: 1}


def test_entry_unlimited_refuses_only_while_inside(make_world: MakeWorld) -> None:
    world = make_world(napper())

    world.send("start")
    world.pump()
    world.send("start")
    world.send("start")

    assert world.pump() == {"already_active": 2}
    assert world.skips() == {"already_active": 2}
    world.let_time_pass()
    assert world.pump() == {"completed": 1}
    world.send("start")
    assert world.pump() == {"waiting": 1}


def test_journey_switched_off_in_code_refuses_what_is_under_way(make_world: MakeWorld) -> None:
    make_world(napper()).send("start")
    world = make_world(napper(enabled=False))

    assert world.pump() == {"journey_disabled": 1}


@pytest.mark.parametrize(("enabled", "outcome"), [
    (False, "journey_disabled_by_admin"), (True, "waiting"),
])  # fmt: skip
def test_admin_override_can_only_disable(
    make_world: MakeWorld, enabled: bool, outcome: str
) -> None:
    world = make_world(napper())
    world.sql(
        "INSERT INTO journey_configs (journey_id, enabled) VALUES ('napper', :enabled)",
        enabled=enabled,
    )

    world.send("start")

    assert world.pump() == {outcome: 1}


def test_admin_override_never_revives_a_journey_disabled_in_code(make_world: MakeWorld) -> None:
    make_world(napper()).send("start")
    world = make_world(napper(enabled=False))
    world.sql("INSERT INTO journey_configs (journey_id, enabled) VALUES ('napper', true)")

    assert world.pump() == {"journey_disabled": 1}


def test_trigger_conditions_are_checked_again_at_the_door(make_world: MakeWorld) -> None:
    make_world(napper()).send("start", seats=1)
    world = make_world(napper(trigger=on("start").where(prop("seats") >= 2)))

    assert world.pump() == {"trigger_conditions_not_met": 1}


def test_trigger_conditions_see_scalars_only(make_world: MakeWorld) -> None:
    world = make_world(napper(trigger=on("start").where(prop("box").exists())))

    world.send("start", box={"any": 1})

    assert world.pump() == {}
    assert world.count("outbox") == 0


@pytest.mark.parametrize("column", ["contact_id", "email"])
def test_unsubscribed_person_is_refused_whichever_row_says_so(
    make_world: MakeWorld, column: str
) -> None:
    world = make_world(napper())
    event = world.send("unrelated")
    contact = event.contact_id if column == "contact_id" else None
    email = "ada@people.test" if column == "email" else "old@people.test"
    world.sql(
        "INSERT INTO email_preferences (user_id, email, contact_id, unsubscribed_all)"
        " VALUES ('ada', 'first@people.test', NULL, false),"
        " ('x', :email, CAST(:contact AS uuid), true)",
        email=email,
        contact=contact,
    )

    world.send("start")

    assert world.pump() == {"user_unsubscribed": 1}


def test_holdout_keeps_the_same_people_out_and_writes_one_row_each(make_world: MakeWorld) -> None:
    holdout = Holdout(percent=50, salt="s2")
    world = make_world(napper(holdout=holdout))
    people = [f"user-{n}" for n in range(40)]
    expected = {p for p in people if is_held_out("napper", p, percent=50, salt="s2")}

    for _ in range(2):
        for person in people:
            world.send("start", person)
        world.pump()

    held = {
        row[0] for row in world.sql("SELECT user_id FROM journey_states WHERE status = 'held_out'")
    }
    assert held == expected
    assert world.states() == {"held_out": len(expected), "waiting": 40 - len(expected)}
    assert world.sql(
        "SELECT DISTINCT current_node_id, exited_at IS NOT NULL FROM journey_states"
        " WHERE status = 'held_out'"
    ) == [("held-out", True)]
    assert world.count("journey_skips") == 40  # held out again, or already active


def test_guards_answer_in_the_order_of_the_contract(make_world: MakeWorld) -> None:
    world = make_world(napper(entry=Entry.once(), holdout=Holdout(percent=50)))
    person = next(f"p{n}" for n in range(50) if is_held_out("napper", f"p{n}", percent=50))
    world.send("unrelated", person)
    world.sql("INSERT INTO journey_configs (journey_id, enabled) VALUES ('napper', false)")
    world.sql(
        "INSERT INTO email_preferences (user_id, email, unsubscribed_all)"
        " VALUES ('x', :email, true)",
        email=f"{person}@people.test",
    )
    seen: list[str] = []
    for undo in (
        "UPDATE journey_configs SET enabled = true",
        "UPDATE email_preferences SET unsubscribed_all = false",
        "DELETE FROM journey_states",
        "SELECT 1",
    ):
        world.send("start", person)
        seen += world.pump()
        world.sql(undo)

    assert seen == [
        "journey_disabled_by_admin", "user_unsubscribed", "held_out", "held_out",
    ]  # fmt: skip


def test_guards_are_asked_in_the_order_of_the_contract_when_all_would_refuse(
    make_world: MakeWorld,
) -> None:
    salt = next(
        f"s{n}" for n in range(50) if is_held_out("napper", "ada", percent=50, salt=f"s{n}")
    )
    kept_out, unmet = Holdout(percent=50, salt=salt), on("start").where(prop("seats") >= 5)
    plain = make_world(napper())
    plain.send("start")
    plain.pump()  # Ada is inside
    plain.sql("INSERT INTO journey_configs (journey_id, enabled) VALUES ('napper', false)")
    plain.sql(
        "INSERT INTO email_preferences (user_id, email, unsubscribed_all)"
        " VALUES ('ada', 'ada@people.test', true)"
    )
    seen: list[str] = []
    for fields, undo in (
        ({"enabled": False, "trigger": unmet, "entry": Entry.once()}, None),
        ({"trigger": unmet, "entry": Entry.once()}, "UPDATE journey_configs SET enabled = true"),
        ({"trigger": unmet, "entry": Entry.once()}, None),
        ({"entry": Entry.once()}, None),
        ({"entry": Entry.once_per(timedelta(hours=1))}, None),
        ({}, "UPDATE email_preferences SET unsubscribed_all = false"),
        ({}, None),
        ({"holdout": None}, "UPDATE journey_states SET status = 'exited' WHERE status = 'waiting'"),
        ({"holdout": None}, None),
    ):
        plain.send("start", seats=1)
        world = make_world(napper(**{"holdout": kept_out, **fields}))  # type: ignore[arg-type]
        seen += world.pump()
        if undo is not None:
            world.sql(undo)

    assert seen == [
        "journey_disabled",
        "journey_disabled_by_admin",
        "trigger_conditions_not_met",
        "already_entered_once",
        "period_not_elapsed",
        "user_unsubscribed",
        "held_out",
        "already_active",
        "waiting",
    ]


def test_version_is_that_of_the_entry_for_ever(make_world: MakeWorld) -> None:
    old = make_world(napper(version="v1"))
    old.send("start")
    old.pump()
    new = make_world(napper(version="v2", min_gap=timedelta(hours=2)))
    new.let_time_pass()
    new.pump()

    first, second = (w.app.journeys["napper"].version_hash for w in (old, new))
    assert first != second
    assert new.state("status, journey_version_hash, journey_version_label") == (
        "completed", first, "v1",
    )  # fmt: skip


def test_event_delivered_twice_enrolls_once(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    world.send("start")
    (run,) = world.claim()

    first = asyncio.run(world.work(run))
    second = asyncio.run(world.work(run))

    assert (first, second) == ({"waiting": 1}, {})
    assert world.states() == {"waiting": 1}
    assert world.mailer.delivered == ["before"]


def test_start_that_died_after_enrolling_goes_on_as_the_same_enrollment(
    make_world: MakeWorld,
) -> None:
    world = make_world(sleeper())
    world.send("start")
    world.claim()
    world.sql(
        "SELECT * FROM hogsend.begin_advances_v2('sleeper', CAST(:spec AS jsonb), ("
        " SELECT jsonb_agg(jsonb_build_object('outbox', id, 'state', NULL,"
        " 'event', payload ->> 'event', 'new_state', gen_random_uuid())) FROM outbox),"
        " gen_random_uuid(), 60)",
        spec=dumps(world.app.journeys["sleeper"].to_spec()),
    )
    world.expire_leases()

    assert world.pump() == {"waiting": 1}
    assert world.state("status, generation, entry_count") == ("waiting", 2, 1)
    assert world.skips() == {}


def test_exit_event_between_trigger_and_enrollment_ends_it(make_world: MakeWorld) -> None:
    world = make_world(sleeper(exit_on=[on("stop").where(prop("hard") == True)]))  # noqa: E712
    world.send("start", "ada")
    world.send("stop", "ada", hard=True)
    world.send("start", "bob")
    world.send("stop", "bob", hard=False)

    outcomes = world.pump()

    assert outcomes == {"exited": 1, "waiting": 1}
    assert world.sql("SELECT user_id, status, exit_reason FROM journey_states"
                     " ORDER BY user_id") == [
        ("ada", "exited", "event:stop"), ("bob", "waiting", None),
    ]  # fmt: skip
    assert [r.user_id for r in world.mailer.requests] == ["bob"]
    assert world.count("outbox") == 0


def test_person_without_a_contact_can_enroll_and_be_exited(make_world: MakeWorld) -> None:
    world = make_world(napper(exit_on=[on("stop")]))
    world.sql(
        "INSERT INTO user_events (id, user_id, event) VALUES"
        " ('00000000-0000-7000-8000-000000000001', 'ghost', 'start')"
    )
    world.sql(
        "INSERT INTO outbox (topic, subject, payload) VALUES ('journey.advance', 'ghost/n',"
        """ '{"journey": "napper", "event": "00000000-0000-7000-8000-000000000001"}')"""
    )

    assert world.pump() == {"waiting": 1}
    assert world.state("user_id, contact_id, user_email") == ("ghost", None, "")


def test_start_whose_event_is_gone_is_dropped(make_world: MakeWorld) -> None:
    world = make_world(napper())
    world.send("start")
    world.sql("DELETE FROM user_events")

    assert world.pump() == {"gone": 1}
    assert world.count("outbox") == 0


@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("welcome:welcome:user-1", 4716),
        ("welcome:welcome:user-2", 1471),
        ("s2:welcome:user-1", 9555),
        ("global-control:GLOBAL:user-1", 785),
        ("global-control:GLOBAL:a@b.co", 1630),
        ("variant:activation-welcome:welcome-subject:user-1", 8045),
        ("variant:activation-welcome:welcome-subject:user-2", 7592),
        ("variant:j2:k2:user-1", 4296),
        ("ünïcödé", bucket_of("ünïcödé")),
    ],
)
def test_bucket_in_the_database_is_the_frozen_one(
    database: Database, text: str, bucket: int
) -> None:
    query = Query.parse("bucket", "SELECT hogsend.bucket_of_v1(:text)")

    assert database.run(query, text=text) == [(bucket,)]
    assert bucket_of(text) == bucket


def test_refusals_at_the_door_are_counted_for_stored_events_only(
    make_world: MakeWorld, database: Database
) -> None:
    world = make_world(napper(trigger=on("start").where(prop("seats") >= 2)))
    counted: list[tuple[str, str]] = []
    counter = world.registry.refusal_counter(
        lambda *, journey, outcome: counted.append((journey, outcome))
    )
    ingest = Ingest(
        db=database, matcher=world.registry, nudge=Silent(), new_id=uuid7, on_stored=counter
    )
    event = NewEvent(name="start", external_id="ada", properties={"seats": 1}, idempotency_key="k")

    ingest.ingest(event)
    ingest.ingest(event)
    ingest.ingest_many([NewEvent(name="start", external_id="bob"), event])
    ingest.ingest(NewEvent(name="start", external_id="eve", properties={"seats": 2}))

    assert counted == [("napper", "trigger_conditions_not_met")] * 2
