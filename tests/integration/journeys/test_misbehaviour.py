"""Journeys that do what they must not: named in the log, and harmless to others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.journeys.meta import Entry
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from hogsend.journeys.runtime.watch import LoopWatch
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import HOUR

pytestmark = pytest.mark.integration


def journey(body: Any) -> App:
    app = App("bad")

    @app.journey(id="bad", name="b", trigger=on("start"), entry=Entry.unlimited())
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await body(user, ctx)

    return app


def named(logs: list[Any], event: str) -> dict[str, Any]:
    (entry,) = [entry for entry in logs if entry["event"] == event]
    assert entry["journey"] == "bad"
    return dict(entry)


def test_function_that_blocks_the_loop_is_named(make_world: MakeWorld) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        time.sleep(0.3)

    world = make_world(journey(body))
    world.send("start")

    with capture_logs() as logs:
        assert world.pump() == {"completed": 1}

    assert named(logs, "journey.blocked_the_loop")["seconds"] >= 0.3


def test_loop_that_never_waits_is_failed(make_world: MakeWorld) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        n = 0
        while True:
            n += 1
            await ctx.once(f"turn-{n}", lambda: True)

    world = make_world(journey(body))
    world.send("start")

    assert world.pump() == {"failed": 1}
    assert "a loop in this journey never waits" in world.state("error_message")[0]


def test_function_that_swallows_its_end_cannot_change_it(make_world: MakeWorld) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        try:
            await ctx.sleep(HOUR, label="nap")
        except BaseException:
            await ctx.send_email("never")

    world = make_world(journey(body))
    world.send("start")

    with capture_logs():
        assert world.pump() == {"waiting": 1}

    assert world.mailer.requests == []
    assert world.sql("SELECT label FROM waits") == [("nap",)]


def test_function_that_awaits_in_finally_is_named(make_world: MakeWorld) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        try:
            await ctx.sleep(HOUR, label="nap")
        finally:
            await asyncio.sleep(0)

    world = make_world(journey(body))
    world.send("start")

    with capture_logs() as logs:
        assert world.pump() == {"waiting": 1}

    named(logs, "journey.ignored_its_end")


def test_function_that_swallows_the_exit_leaves_all_the_same(make_world: MakeWorld) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        with contextlib.suppress(BaseException):
            await ctx.exit("enough")
        await ctx.send_email("never")

    world = make_world(journey(body))
    world.send("start")

    assert world.pump() == {"exited": 1}
    assert world.mailer.requests == []


def test_function_that_swallows_the_exit_is_named(make_world: MakeWorld) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        with contextlib.suppress(BaseException):
            await ctx.exit("enough")

    world = make_world(journey(body))
    world.send("start")

    with capture_logs() as logs:
        assert world.pump() == {"exited": 1}

    assert "JourneyExit" in named(logs, "journey.swallowed_exit")["hint"]


def test_function_that_swallows_an_error_of_the_context_is_named_and_fails(
    make_world: MakeWorld,
) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        with contextlib.suppress(Exception):
            await ctx.sleep(HOUR * 0)
        await ctx.send_email("never")

    world = make_world(journey(body))
    world.send("start")

    with capture_logs() as logs:
        assert world.pump() == {"failed": 1}

    assert world.mailer.requests == []
    assert "longer than zero" in named(logs, "journey.failed")["error"]


def test_function_that_swallows_its_cancellation_is_named_and_stops(make_world: MakeWorld) -> None:
    begun = asyncio.Event()

    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        begun.set()
        with contextlib.suppress(BaseException):
            await asyncio.sleep(60)

    world = make_world(journey(body))
    world.send("start")
    (run,) = world.claim()

    async def stop() -> None:
        advance = asyncio.create_task(world.work(run))
        await begun.wait()
        advance.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await advance
        # The members end a moment after the run.
        for _ in range(1000):
            if any(log["event"] == "journey.swallowed_cancellation" for log in logs):
                break
            await asyncio.sleep(0.01)

    with capture_logs() as logs:
        asyncio.run(stop())

    assert "CancelledError" in named(logs, "journey.swallowed_cancellation")["hint"]
    assert world.states() == {"active": 1}  # released, not completed: the next worker takes it


def test_loop_that_never_ends_is_broken_off_and_the_worker_goes_on(make_world: MakeWorld) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        while user.properties.get("loops"):
            pass

    watch = LoopWatch(stuck_seconds=0.1, break_seconds=0.3)
    world = make_world(journey(body), watch=watch, attempts=1)
    world.send("start", loops=True)
    world.send("start", "bob")
    watch.start()
    try:
        with capture_logs() as logs:
            assert world.pump() == {"failed": 1, "completed": 1}
    finally:
        watch.close()

    assert named(logs, "journey.was_interrupted")["place"].startswith(f"{__file__}:")
    ((message,),) = world.sql("SELECT error_message FROM journey_states WHERE status = 'failed'")
    assert "StuckJourney: the journey blocked the worker" in message


@pytest.mark.parametrize("how", ["gather", "wait_for", "create_task"])
def test_context_in_another_task_is_refused(make_world: MakeWorld, how: str) -> None:
    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        match how:
            case "gather":
                await asyncio.gather(ctx.sleep(HOUR), ctx.sleep(2 * HOUR))
            case "wait_for":
                await asyncio.wait_for(asyncio.ensure_future(ctx.sleep(HOUR)), 5)
            case _:
                await asyncio.create_task(ctx.sleep(HOUR))

    world = make_world(journey(body))
    world.send("start")

    assert world.pump() == {"failed": 1}
    assert "was called from another task" in world.state("error_message")[0]


def test_context_kept_after_the_end_does_nothing(make_world: MakeWorld) -> None:
    kept: list[JourneyContext] = []

    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        kept.append(ctx)

    world = make_world(journey(body))
    world.send("start")
    world.pump()

    with pytest.raises(Exception, match="after the journey had paused or ended"):
        asyncio.run(kept[0].send_email("late"))
    assert world.mailer.requests == []


def test_own_awaits_of_the_function_work(make_world: MakeWorld) -> None:
    seen: list[int] = []

    async def body(user: JourneyUser, ctx: JourneyContext) -> None:
        results = await asyncio.gather(asyncio.sleep(0.01, 1), asyncio.to_thread(lambda: 2))
        seen.extend(results)
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        await ctx.send_email("fine")

    world = make_world(journey(body))
    world.send("start")

    assert world.pump() == {"completed": 1}
    assert seen == [1, 2]
