from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from hogsend.app import App
from hogsend.conditions.builder import prop
from hogsend.conditions.pattern import on
from hogsend.email.models import SendRequest
from hogsend.errors import Conflict, NotFound
from hogsend.events.models import NewEvent
from hogsend.journeys import explain, operate
from hogsend.journeys.holdout import is_held_out
from hogsend.journeys.meta import Entry, Holdout
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import asker, napper, sleeper
from tests.integration.journeys.world import World, state_ids

pytestmark = pytest.mark.integration


def waiting(make_world: MakeWorld) -> World:
    world = make_world(asker())
    world.send("start")
    world.pump()
    return world


def test_cancel_ends_a_waiting_enrollment(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    (state,) = state_ids(world)

    operate.cancel(world.database, state, reason="by Eve")
    world.let_time_pass()

    assert world.pump() == {}
    assert world.state("status, exit_reason, current_node_id") == ("exited", "by Eve", "end-exited")
    with pytest.raises(Conflict, match="is over already: it is exited"):
        operate.cancel(world.database, state)
    with pytest.raises(NotFound):
        operate.cancel(world.database, uuid4())


def test_cancel_during_an_advance_wins_over_its_settle(make_world: MakeWorld) -> None:
    world = make_world(asker())

    def cancel(_: SendRequest) -> None:
        operate.cancel(world.database, *state_ids(world))

    world.mailer.effects["question"] = cancel
    world.send("start")

    assert world.pump() == {"lost": 1}
    assert world.states() == {"exited": 1}
    assert (world.count("waits"), world.count("outbox")) == (0, 0)


def test_failure_after_an_exit_leaves_it_exited(make_world: MakeWorld) -> None:
    world = make_world(asker(exit_on=[on("stop")]), attempts=1)

    def stop_and_fail(_: SendRequest) -> None:
        world.send("stop")
        raise RuntimeError("too late")

    world.mailer.effects["question"] = stop_and_fail
    world.send("start")

    assert world.pump() == {"lost": 1}
    assert world.state("status, error_message, failed_at") == ("exited", None, None)


def test_skip_wait_goes_on_as_after_a_timeout(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    (state,) = state_ids(world)

    assert operate.skip_wait(world.database, state) == "answer"

    assert world.pump() == {"completed": 1}
    assert world.mailer.delivered == ["question", "got-nothing"]
    with pytest.raises(Conflict, match="does not wait"):
        operate.skip_wait(world.database, state)


def test_resume_tries_a_failed_enrollment_from_its_last_step(make_world: MakeWorld) -> None:
    world = make_world(sleeper(), attempts=1)
    broken = [True]

    def refuse(_: SendRequest) -> None:
        if broken[0]:
            raise RuntimeError("no")

    world.mailer.effects["after"] = refuse
    world.send("start")
    world.pump()
    world.let_time_pass()
    assert world.pump() == {"failed": 1}
    (state,) = state_ids(world)
    broken[0] = False

    operate.resume(world.database, state)

    assert world.pump() == {"completed": 1}
    assert world.mailer.delivered == ["before", "after"]
    assert world.state("error_message, failed_at") == (None, None)


def test_resume_is_refused_while_the_person_is_inside_again(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    (state,) = state_ids(world)
    with pytest.raises(Conflict, match="has not failed"):
        operate.resume(world.database, state)
    world.sql("UPDATE journey_states SET status = 'failed'")
    world.sql("DELETE FROM waits")
    world.send("start")
    world.pump()

    with pytest.raises(Conflict, match="inside this journey again"):
        operate.resume(world.database, state)


def test_reconcile_finds_nothing_where_everything_is_well(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    world.send("start", "bob")

    repairs = operate.reconcile(world.database, older_than=timedelta(0))

    assert repairs.total == 0


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("DELETE FROM waits", "without_wait"),
        ("UPDATE waits SET outcome = 'timeout', outcome_at = now() - interval '1 s'",
         "without_wake"),
        ("WITH gone AS (DELETE FROM waits) UPDATE journey_states SET status = 'active'",
         "without_work"),
    ],
)  # fmt: skip
def test_reconcile_repairs_what_no_row_would_move_again(
    make_world: MakeWorld, damage: str, kind: str
) -> None:
    world = waiting(make_world)
    world.sql(damage)
    world.let_time_pass()
    assert world.pump() == {}

    repairs = operate.reconcile(world.database, older_than=timedelta(0))

    assert (getattr(repairs, kind), repairs.total) == (1, 1)
    assert operate.reconcile(world.database, older_than=timedelta(0)).total == 0
    outcomes = world.pump()
    world.let_time_pass()
    outcomes |= world.pump()
    assert outcomes["completed"] == 1
    assert world.mailer.delivered == ["question", "got-nothing"]


def test_reconcile_removes_waits_of_what_is_over(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    world.sql("UPDATE journey_states SET status = 'completed', completed_at = now()")

    repairs = operate.reconcile(world.database, older_than=timedelta(0))

    assert (repairs.over, repairs.total, world.count("waits")) == (1, 1, 0)


def test_reconcile_ends_the_enrollment_of_a_person_who_is_deleted(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    world.sql("UPDATE contacts SET deleted_at = now() - interval '1 s'")

    repairs = operate.reconcile(world.database, older_than=timedelta(0))

    assert (repairs.of_nobody, repairs.total) == (1, 1)
    assert world.state("status, exit_reason") == ("exited", "contact_deleted")
    assert (world.count("waits"), world.count("outbox")) == (0, 0)


def test_reconcile_gives_the_enrollment_of_a_merged_person_to_the_survivor(
    make_world: MakeWorld,
) -> None:
    world = waiting(make_world)
    heir = world.send("seen", "bob").contact_id
    world.sql(
        "UPDATE contacts SET deleted_at = now() - interval '1 s', merged_into = :heir"
        " WHERE id <> :heir",
        heir=heir,
    )

    repairs = operate.reconcile(world.database, older_than=timedelta(0))

    assert (repairs.of_nobody, repairs.total) == (1, 1)
    world.send("answered", "bob", word="mine")
    assert world.pump() == {"completed": 1}


def test_reconcile_keeps_what_arrived_meanwhile(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    world.sql("DELETE FROM waits")
    world.send("answered", word="lost")  # nobody waits as far as ingest can see

    operate.reconcile(world.database, older_than=timedelta(0))

    assert world.pump() == {"waiting": 1, "completed": 1}
    assert world.mailer.delivered == ["question", "got-lost"]


def test_reconcile_tells_of_waits_that_no_timer_moves(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    world.sql("UPDATE waits SET due_at = now() - interval '61 minutes'")

    with capture_logs() as logs:
        repairs = operate.reconcile(world.database, older_than=timedelta(0))

    assert (repairs.late, repairs.total) == (1, 0)
    assert [entry["event"] for entry in logs] == ["journey.waits_late"]


def failed(make_world: MakeWorld) -> World:
    """Ada's journey failed at its first line, and could go on now."""
    world = make_world(asker(exit_on=[on("stop").where(prop("hard") == True)]), attempts=1)  # noqa: E712
    broken = [True]

    def refuse(_: SendRequest) -> None:
        if broken:
            broken.clear()
            raise RuntimeError("no")

    world.mailer.effects["question"] = refuse
    world.send("start")
    assert world.pump() == {"failed": 1}
    return world


def test_resume_counts_what_arrived_while_it_had_failed(make_world: MakeWorld) -> None:
    world = failed(make_world)
    (state,) = state_ids(world)
    world.send("answered", word="meanwhile")

    operate.resume(world.database, state, journeys=world.app.journeys)

    assert world.pump() == {"waiting": 1, "completed": 1}
    assert world.mailer.delivered == ["question", "got-meanwhile"]


def test_resume_is_refused_when_an_exit_came_since(make_world: MakeWorld) -> None:
    world = failed(make_world)
    (state,) = state_ids(world)
    world.send("stop", hard=False)
    world.send("stop", "bob", hard=True)
    world.send("stop", hard=True)

    with pytest.raises(Conflict, match="'stop' came since"):
        operate.resume(world.database, state, journeys=world.app.journeys)

    assert world.states() == {"failed": 1}


def test_resume_is_refused_for_a_person_who_was_deleted(make_world: MakeWorld) -> None:
    world = failed(make_world)
    (state,) = state_ids(world)
    world.sql("SELECT * FROM hogsend.delete_contacts_v1(ARRAY(SELECT id FROM contacts))")

    with pytest.raises(Conflict, match="who was deleted"):
        operate.resume(world.database, state)
    with pytest.raises(NotFound):
        operate.resume(world.database, uuid4())


def test_switch_lets_nobody_in_and_those_inside_go_on(make_world: MakeWorld) -> None:
    world = waiting(make_world)

    operate.switch(world.database, "asker", enabled=False)
    world.send("start", "bob")
    world.send("answered", word="yes")

    assert world.pump() == {"journey_disabled_by_admin": 1, "completed": 1}
    operate.switch(world.database, "asker", enabled=True)
    world.send("start", "bob")
    assert world.pump() == {"waiting": 1}


def test_refusals_are_found_under_every_key_of_the_person(make_world: MakeWorld) -> None:
    world = make_world(napper(entry=Entry.once()))
    for name in ("start", "start"):
        world.ingest.ingest(NewEvent(name=name, email="ada@people.test"))
        world.pump()
    world.send("seen")  # her address gets a user id

    for key in ("ada", "Ada@people.test"):
        person = explain.find_person(world.database, key)
        assert [r.reason for r in explain.list_refusals(world.database, person)] == [
            "already_entered_once"
        ]
        assert len(explain.list_passages(world.database, person)) == 1
    stranger = explain.find_person(world.database, "bob")
    assert explain.list_refusals(world.database, stranger) == []


def test_refusals_at_the_door_are_found_from_the_events(make_world: MakeWorld) -> None:
    app = App("door")

    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        return None

    app.journey(id="big", name="b", trigger=on("start").where(prop("seats") >= 5))(run)
    app.journey(id="off", name="o", trigger=on("start"), enabled=False)(run)
    app.journey(id="elsewhere", name="e", trigger=on("start"))(run)
    app.journey(id="other", name="o", trigger=on("never"))(run)
    world = make_world(app)
    for seats in (1, 2, 7):
        world.send("start", seats=seats)

    found = explain.list_unheard(
        world.database,
        explain.find_person(world.database, "ada"),
        app.journeys.values(),
        runs_here=lambda name: name != "elsewhere",
    )

    assert [(r.journey_id, r.reason, r.times) for r in found] == [
        ("big", "trigger_conditions_not_met", 2),
        ("off", "journey_disabled", 3),
        ("elsewhere", "journey_does_not_run_here", 3),
        ("other", "never_triggered", 0),
    ]
    times = world.sql("SELECT received_at FROM user_events ORDER BY received_at")
    assert (found[0].first_at, found[0].last_at) == (times[0][0], times[1][0])


def test_lists_tell_who_is_inside_and_who_did_not_enter(make_world: MakeWorld) -> None:
    world = waiting(make_world)
    world.send("start")
    world.pump()
    world.sql("INSERT INTO journey_configs (journey_id, enabled) VALUES ('asker', false)")

    ada = explain.find_person(world.database, "ada")
    (refusal,) = explain.list_refusals(world.database, ada, journey_id="asker")
    (passage,) = explain.list_passages(world.database, ada)

    assert explain.count_enrollments(world.database) == {"asker": {"waiting": 1}}
    assert explain.list_disabled(world.database) == {"asker"}
    assert (refusal.reason, refusal.times) == ("already_active", 1)
    assert (passage.journey_id, passage.status, passage.node) == ("asker", "waiting", "answer")


def test_ends_are_events_when_a_journey_listens_to_them(make_world: MakeWorld) -> None:
    app = App("chain")

    @app.journey(id="first", name="f", trigger=on("start"), entry=Entry.unlimited())
    async def first(user: JourneyUser, ctx: JourneyContext) -> None:
        if user.properties.get("bad"):
            await ctx.once("x", lambda: object())  # type: ignore[arg-type,return-value]

    @app.journey(id="second", name="s", trigger=on("journey:completed"), exit_on=[
        on("journey:failed")])  # fmt: skip
    async def second(user: JourneyUser, ctx: JourneyContext) -> None:
        if user.properties["journeyId"] == "first":
            await ctx.wait_for("never", timeout=timedelta(days=1))

    world = make_world(app)
    world.send("start")
    world.pump()
    assert world.sql("SELECT journey_id, status FROM journey_states ORDER BY journey_id") == [
        ("first", "completed"), ("second", "waiting"),
    ]  # fmt: skip

    world.send("start", bad=True)
    world.pump()

    statuses = world.sql("SELECT status FROM journey_states WHERE journey_id = 'second'")
    assert ("exited",) in statuses
    assert world.count("outbox") == 0


def test_failing_again_after_a_resume_is_another_event(make_world: MakeWorld) -> None:
    app = App("failing")

    @app.journey(id="failing", name="f", trigger=on("start"))
    async def failing(user: JourneyUser, ctx: JourneyContext) -> None:
        raise RuntimeError("always")

    @app.journey(id="watching", name="w", trigger=on("journey:failed"), entry=Entry.unlimited())
    async def watching(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.checkpoint("seen")

    world = make_world(app, attempts=1)
    world.send("start")
    world.pump()
    (failed_state,) = world.sql("SELECT id FROM journey_states WHERE status = 'failed'")[0]

    operate.resume(world.database, failed_state)
    world.pump()

    assert world.sql("SELECT count(*) FROM user_events WHERE event = 'journey:failed'") == [(2,)]


def test_end_of_a_journey_answers_a_wait_of_another(make_world: MakeWorld) -> None:
    app = App("pair")

    @app.journey(id="short", name="s", trigger=on("start"), entry=Entry.unlimited())
    async def short(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.sleep(timedelta(hours=1))

    @app.journey(id="patient", name="p", trigger=on("start"))
    async def patient(user: JourneyUser, ctx: JourneyContext) -> None:
        end = await ctx.wait_for("journey:completed", timeout=timedelta(days=9))
        await ctx.exit(str(end.properties.get("journeyId")))

    world = make_world(app)
    world.send("start")
    world.pump()
    world.sql("UPDATE waits SET due_at = now() WHERE journey_id = 'short'")
    world.pump()

    assert world.sql("SELECT journey_id, status, exit_reason FROM journey_states ORDER BY 1") == [
        ("patient", "exited", "short"), ("short", "completed", None),
    ]  # fmt: skip


def test_ends_that_nobody_listens_to_make_no_event(make_world: MakeWorld) -> None:
    world = make_world(napper())
    world.send("start")
    world.pump()
    world.let_time_pass()
    world.pump()

    assert world.sql("SELECT count(*) FROM user_events WHERE event LIKE 'journey%'") == [(0,)]


def test_being_held_out_is_an_event_once(make_world: MakeWorld) -> None:
    world = make_world(napper(holdout=Holdout(percent=50)))
    person = next(f"p{n}" for n in range(50) if is_held_out("napper", f"p{n}", percent=50))

    for _ in range(2):
        world.send("start", person)
        world.pump()

    assert world.sql("SELECT user_id, properties, source, idempotency_key FROM user_events"
                     " WHERE event = 'journey.heldout'") == [(
        person,
        {"journeyId": "napper", "journeyName": "napper", "holdoutPercent": 50},
        "journey",
        f"journey:heldout:napper:{person}",
    )]  # fmt: skip
