"""Code that changed while people were inside, and code that does not decide the same twice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from structlog.testing import capture_logs

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.email.models import SendRequest
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import HOUR
from tests.integration.journeys.world import World

pytestmark = pytest.mark.integration


def old() -> App:
    app = App("old")

    @app.journey(id="changing", name="c", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("first")
        await ctx.sleep(HOUR, label="nap")
        await ctx.send_email("second")

    return app


def new(**fields: Any) -> App:
    """The wait has another name now."""
    app = App("new")

    @app.journey(id="changing", name="c", trigger=on("start"), **fields)
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("first")
        await ctx.sleep(HOUR, label="other-nap")
        await ctx.send_email("second")

    return app


def deployed(make_world: MakeWorld, app: App) -> World:
    """Somebody waits in the old code when the new one comes, and their time is over."""
    world = make_world(old())
    world.send("start")
    world.pump()
    after = make_world(app)
    after.let_time_pass()
    return after


def test_code_that_still_fits_the_journal_goes_on_without_a_word(make_world: MakeWorld) -> None:
    app = App("more")

    @app.journey(id="changing", name="c", trigger=on("start"), on_drift="exit")
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("first")
        await ctx.sleep(HOUR, label="nap")
        await ctx.send_email("another")
        await ctx.checkpoint("later")

    world = deployed(make_world, app)

    with capture_logs() as logs:
        assert world.pump() == {"completed": 1}

    assert world.mailer.delivered == ["another"]
    assert [entry for entry in logs if entry["event"] == "journey.drift"] == []


def test_drift_continue_goes_on_and_says_so_once(make_world: MakeWorld) -> None:
    world = deployed(make_world, new())

    with capture_logs() as logs:
        assert world.pump() == {"waiting": 1}

    (entry,) = [entry for entry in logs if entry["event"] == "journey.drift"]
    assert "'wait:other-nap'" in entry["error"]
    assert "'wait:nap'" in entry["error"]
    assert "the code has changed since the person entered" in entry["error"]
    assert world.sql("SELECT step_key FROM waits") == [("wait:other-nap",)]


def test_drift_exit_leaves_with_both_names(make_world: MakeWorld) -> None:
    world = deployed(make_world, new(on_drift="exit"))

    assert world.pump() == {"exited": 1}
    ((reason,),) = world.sql("SELECT exit_reason FROM journey_states")
    assert reason.startswith("code_drift: ")
    assert "'wait:other-nap'" in reason
    assert "'wait:nap'" in reason


def test_drift_finish_old_waits_for_a_worker_with_the_old_code(make_world: MakeWorld) -> None:
    world = deployed(make_world, new(on_drift="finish_old"))

    assert world.pump() == {"retry": 1}
    assert world.state("status") == ("active",)
    before = make_world(old())
    before.let_time_pass()

    assert before.pump() == {"completed": 1}
    assert before.mailer.delivered == ["second"]


def test_drift_finish_old_fails_after_a_day_with_both_names(make_world: MakeWorld) -> None:
    world = deployed(make_world, new(on_drift="finish_old"))
    world.pump()
    world.sql("UPDATE journey_states SET retrying_since = now() - interval '25 hours'")
    world.let_time_pass()

    assert world.pump() == {"failed": 1}
    error = world.state("error_message")[0]
    assert error.startswith("CodeDrift: ")
    assert "'wait:other-nap'" in error
    assert "'wait:nap'" in error


def test_code_that_ends_before_its_recorded_steps_is_drift(make_world: MakeWorld) -> None:
    app = App("short")

    @app.journey(id="changing", name="c", trigger=on("start"), on_drift="exit")
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("first")

    world = deployed(make_world, app)

    assert world.pump() == {"exited": 1}
    assert "the code ends" in world.state("exit_reason")[0]


def test_code_that_decides_by_chance_is_told_so(make_world: MakeWorld) -> None:
    app, dice = App("dice"), itertools.count()

    @app.journey(id="dice", name="d", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        if next(dice) == 0:
            await ctx.send_email("heads")
        else:
            await ctx.send_email("tails")
        await ctx.sleep(HOUR)

    world = make_world(app)
    world.send("start")
    world.pump()
    world.let_time_pass()

    with capture_logs() as logs:
        world.pump()

    (entry,) = [entry for entry in logs if entry["event"] == "journey.drift"]
    assert "it decides by something that is not recorded" in entry["error"]
    assert entry["place"].startswith(__file__)


def moved(*, early: bool = False) -> App:
    """A checkpoint and a wait came before what has happened already, under other names then."""
    app = App("moved")

    @app.journey(id="changing", name="c", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        if early:
            await ctx.send_email("first", label="early")
        else:
            await ctx.checkpoint("intro")
        await ctx.send_email("first")
        await ctx.trigger("told")
        await ctx.sleep(HOUR, label="nap")
        await ctx.checkpoint("rested")
        await ctx.send_email("second")
        await ctx.sleep(HOUR, label="another")
        await ctx.send_email("first", label="reminder")

    return app


def teller() -> App:
    app = App("teller")

    @app.journey(id="changing", name="c", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("first")
        await ctx.trigger("told")
        await ctx.sleep(HOUR, label="nap")
        await ctx.send_email("second")

    return app


def count_told(world: World) -> int:
    return int(world.sql("SELECT count(*) FROM user_events WHERE event = 'told'")[0][0])


def test_checkpoint_put_before_a_mail_does_not_send_it_again(make_world: MakeWorld) -> None:
    before = make_world(teller())
    before.send("start")
    before.pump()
    world = make_world(moved())
    world.let_time_pass()

    assert world.pump() == {"waiting": 1}
    assert world.mailer.delivered == ["second"]
    assert count_told(world) == 1
    world.let_time_pass()
    assert world.pump() == {"completed": 1}
    assert world.mailer.delivered == ["second", "first"]  # a mail of its own: the reminder


def test_mail_that_comes_twice_in_the_new_code_takes_the_old_one_for_the_first(
    make_world: MakeWorld,
) -> None:
    before = make_world(teller())
    before.send("start")
    before.pump()
    world = make_world(moved(early=True))
    world.let_time_pass()

    assert world.pump() == {"waiting": 1}
    assert world.mailer.delivered == ["second"]
    assert count_told(world) == 1


def test_moved_mail_is_not_sent_again_after_a_crash(make_world: MakeWorld) -> None:
    before = make_world(teller())
    before.send("start")
    before.pump()
    world = make_world(moved(), attempts=5)
    errors = [RuntimeError("no")]

    def fail(_: SendRequest) -> None:
        if errors:
            raise errors.pop()

    world.mailer.effects["second"] = fail
    world.let_time_pass()
    assert world.pump() == {"retry": 1}
    world.let_time_pass()

    assert world.pump() == {"waiting": 1}
    assert world.mailer.delivered == ["second"]
