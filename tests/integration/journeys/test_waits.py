from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from hogsend.app import App
from hogsend.conditions.builder import prop
from hogsend.conditions.pattern import on
from hogsend.email.models import SendRequest
from hogsend.journeys.meta import Entry
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import HOUR, asker, napper, sleeper

pytestmark = pytest.mark.integration


def test_sleep_is_one_row_that_says_when(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    before = datetime.now(UTC)

    world.send("start")
    world.pump()

    ((kind, label, event, due_at, outcome),) = world.sql(
        "SELECT kind, label, event, due_at, outcome FROM waits"
    )
    assert (kind, label, event, outcome) == ("sleep", "nap", None, None)
    assert before + HOUR <= due_at <= datetime.now(UTC) + HOUR
    assert world.state("wait_deadline") == (due_at,)
    assert world.pump() == {}


def test_sleep_when_due_goes_on_behind_it(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    world.send("start")
    world.pump()

    world.let_time_pass()
    outcomes = world.pump()

    assert outcomes == {"completed": 1}
    assert world.mailer.delivered == ["before", "after"]
    assert len(world.mailer.requests) == 2  # the first mail was answered from the journal
    assert world.state("status, current_node_id, completed_at IS NOT NULL, generation") == (
        "completed", "end-completed", True, 2,
    )  # fmt: skip
    assert world.count("waits") == 0
    keys = [row[0] for row in world.sql("SELECT key FROM journey_steps ORDER BY seq")]
    assert keys == ["send:before:before", "wait:nap", "send:nap:after"]
    actions = [
        row[0] for row in world.sql("SELECT action FROM journey_logs ORDER BY created_at, ctid")
    ]
    assert actions == ["entered", "send", "sleep", "resume", "send", "completed"]


def test_wake_of_a_batch_is_two_statements(make_world: MakeWorld) -> None:
    world = make_world(napper())
    for n in range(20):
        world.send("start", f"u{n}")
    world.pump()
    world.let_time_pass()
    world.timer.move_due()
    (run,) = world.claim()
    world.db.names.clear()

    outcomes = asyncio.run(world.work(run))

    assert outcomes == {"completed": 20}
    assert world.db.names == ["begin_advances", "settle_advances"]


def test_timer_moves_each_wait_once_and_knows_the_next(make_world: MakeWorld) -> None:
    world = make_world(napper())
    for n in range(3):
        world.send("start", f"u{n}")
    world.pump()
    world.sql("UPDATE waits SET due_at = now() WHERE user_id <> 'u2'")
    world.sql("UPDATE waits SET due_at = now() + interval '0.4 s' WHERE user_id = 'u2'")

    nap = world.timer.move_due()
    world.timer.move_due()

    assert 0 < nap <= 0.4
    assert world.count("outbox") == 2


def test_timer_thread_wakes_within_a_second_without_being_told(make_world: MakeWorld) -> None:
    world = make_world(napper())
    world.send("start")
    world.pump()
    moved = threading.Event()
    world.timer._poke = moved.set
    world.timer.start()
    try:
        world.sql("UPDATE waits SET due_at = now()")

        assert moved.wait(1.5)
    finally:
        world.timer.stop()
    assert not world.timer.is_alive


def test_wait_takes_the_event_that_comes(make_world: MakeWorld) -> None:
    world = make_world(asker())
    world.send("start")
    world.pump()

    world.send("answered", "bob", word="not-hers")
    world.send("something.else")
    assert world.pump() == {}
    world.send("answered", word="yes", deep={"a": 1})

    assert world.pump() == {"completed": 1}
    assert world.mailer.delivered == ["question", "got-yes"]


def test_wait_when_time_runs_out_is_false(make_world: MakeWorld) -> None:
    world = make_world(asker())
    world.send("start")
    world.pump()

    world.let_time_pass()

    assert world.pump() == {"completed": 1}
    assert world.mailer.delivered == ["question", "got-nothing"]


def test_wait_where_ignores_events_that_do_not_match(make_world: MakeWorld) -> None:
    app = App("picky")
    seen: list[object] = []

    @app.journey(id="picky", name="p", trigger=on("start"), entry=Entry.unlimited())
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        answer = await ctx.wait_for(
            "scored", timeout=HOUR, where=[prop("score") >= 7, prop("kind") == "nps"]
        )
        seen.append(answer.properties["score"])

    world = make_world(app)
    world.send("start")
    world.pump()

    for score, kind in ((9, "csat"), (6, "nps"), ("8", "nps"), (8, "nps")):
        world.send("scored", score=score, kind=kind)
        world.pump()

    assert seen == [8]
    assert world.states() == {"completed": 1}


def test_event_while_the_advance_is_on_its_way_to_the_wait_is_not_lost(
    make_world: MakeWorld,
) -> None:
    world = make_world(asker())

    def answer(_: SendRequest) -> None:
        world.send("answered", word="fast")

    world.mailer.effects["question"] = answer
    world.send("start")

    outcomes = world.pump()

    assert outcomes == {"waiting": 1, "completed": 1}
    assert world.mailer.delivered == ["question", "got-fast"]
    assert world.count("outbox") == 0


def test_event_before_the_worker_looked_is_not_lost(make_world: MakeWorld) -> None:
    world = make_world(asker())

    world.send("start")
    world.send("answered", word="early")

    assert world.pump() == {"waiting": 1, "completed": 1}
    assert world.mailer.delivered == ["question", "got-early"]


def test_event_from_before_the_trigger_needs_lookback(make_world: MakeWorld) -> None:
    world = make_world(asker())
    world.send("answered", word="old")

    world.send("start")

    assert world.pump() == {"waiting": 1}


def test_lookback_takes_the_newest_event_in_reach(make_world: MakeWorld) -> None:
    world = make_world(asker(lookback=timedelta(minutes=30)))
    for minutes, word in ((40, "too-old"), (20, "older"), (10, "newer")):
        event = world.send("answered", word=word)
        world.sql(
            "UPDATE user_events SET occurred_at = now() - make_interval(mins => :minutes),"
            " received_at = now() - make_interval(mins => :minutes) WHERE id = :id",
            minutes=minutes,
            id=event.event_id,
        )

    world.send("start")

    assert world.pump() == {"waiting": 1, "completed": 1}
    assert world.mailer.delivered == ["question", "got-newer"]


def test_event_that_woke_a_wait_does_not_wake_the_next_one(make_world: MakeWorld) -> None:
    app = App("twice")
    seen: list[object] = []

    @app.journey(id="twice", name="t", trigger=on("start"), entry=Entry.unlimited())
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        first = await ctx.wait_for("reply", timeout=HOUR)
        second = await ctx.wait_for("reply", timeout=HOUR)
        seen.append((first.properties["n"], second.properties["n"]))

    world = make_world(app)
    world.send("start")
    world.pump()

    world.send("reply", n=1)
    assert world.pump() == {"waiting": 1}
    world.send("reply", n=2)
    assert world.pump() == {"completed": 1}

    assert seen == [(1, 2)]


def test_event_and_timeout_at_once_have_one_outcome_and_one_wake(make_world: MakeWorld) -> None:
    world = make_world(asker())
    people = [f"u{n}" for n in range(30)]
    for person in people:
        world.send("start", person)
    world.pump()
    world.sql("UPDATE waits SET due_at = now()")

    def answer() -> None:
        for person in people:
            world.send("answered", person, word="yes")

    racer = threading.Thread(target=answer)
    racer.start()
    world.timer._limit = 1
    while racer.is_alive():
        world.timer.move_due()
    racer.join()
    world.timer._limit = 1000
    world.timer.move_due()

    assert world.count("outbox") == len(people)
    outcomes = dict(world.sql("SELECT outcome, count(*) FROM waits GROUP BY outcome"))
    assert sum(outcomes.values()) == len(people)
    assert None not in outcomes
    assert world.pump() == {"completed": len(people)}


def test_exit_event_while_waiting_ends_it(make_world: MakeWorld) -> None:
    world = make_world(asker(exit_on=[on("stop")]))
    world.send("start")
    world.pump()

    world.send("stop")
    world.let_time_pass()

    assert world.pump() == {}
    assert world.states() == {"exited": 1}
    assert (world.count("waits"), world.count("outbox")) == (0, 0)
    assert world.mailer.delivered == ["question"]


def test_event_that_ends_a_journey_and_starts_it_begins_anew(make_world: MakeWorld) -> None:
    world = make_world(asker(exit_on=[on("start")]))
    world.send("start")
    world.pump()

    world.send("start")

    assert world.pump() == {"waiting": 1}
    assert world.states() == {"exited": 1, "waiting": 1}
    assert world.count("waits") == 1


def test_exit_event_during_an_advance_wins_over_its_settle(make_world: MakeWorld) -> None:
    world = make_world(asker(exit_on=[on("stop")]))

    def stop(_: SendRequest) -> None:
        world.send("stop")

    world.mailer.effects["question"] = stop
    world.send("start")

    assert world.pump() == {"lost": 1}
    assert world.states() == {"exited": 1}
    assert (world.count("waits"), world.count("outbox")) == (0, 0)


def test_exit_event_between_two_mails_stops_the_second(make_world: MakeWorld) -> None:
    app = App("two")

    @app.journey(id="two", name="two", trigger=on("start"), exit_on=[on("stop")])
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("first")
        await ctx.send_email("second")

    world = make_world(app)

    def stop(_: SendRequest) -> None:
        world.send("stop")

    world.mailer.effects["first"] = stop
    world.send("start")

    assert world.pump() == {"lost": 1}
    assert world.mailer.delivered == ["first"]


def test_ctx_exit_ends_the_journey_with_its_reason(make_world: MakeWorld) -> None:
    app = App("leaver")

    @app.journey(id="leaver", name="l", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        try:
            await ctx.exit("enough")
        except Exception:
            await ctx.send_email("never")

    world = make_world(app)
    world.send("start")

    assert world.pump() == {"exited": 1}
    assert world.state("status, exit_reason, exited_at IS NOT NULL, completed_at") == (
        "exited", "enough", True, None,
    )  # fmt: skip
    assert world.mailer.requests == []


def test_clock_of_the_journey_is_the_same_in_every_replay(make_world: MakeWorld) -> None:
    app = App("clock")
    seen: list[list[datetime]] = []

    @app.journey(id="clock", name="c", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        times = [await ctx.now()]
        seen.append(times)
        for _ in range(2):
            await ctx.sleep(HOUR)
            times.append(await ctx.now())

    world = make_world(app)
    world.send("start")
    world.pump()
    for _ in range(2):
        world.let_time_pass()
        world.pump()

    assert [len(times) for times in seen] == [1, 2, 3]
    assert seen[2][:2] == seen[1]
    assert seen[1][:1] == seen[0]
    assert seen[2] == sorted(set(seen[2]))


def test_mail_goes_to_the_address_the_person_has_now(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    world.send("start")
    world.pump()
    world.sql("UPDATE contacts SET email = 'ada@new.test'")

    world.let_time_pass()
    world.pump()

    assert [r.to for r in world.mailer.requests] == ["ada@people.test", "ada@new.test"]
