"""What an app declares reaches the journeys of a worker."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from hogsend import settings
from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.conversions.registry import ConversionRegistry
from hogsend.db import Database
from hogsend.journeys.effects.connector import ConnectorCall
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from hogsend.journeys.wiring import build_journeys
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.world import FakeMailer, Runs, Silent

pytestmark = pytest.mark.integration


def test_worker_knows_the_lists_and_connectors_of_the_app(
    make_world: MakeWorld, database: Database
) -> None:
    app = App("wired")
    app.list("news", name="News", default_opt_in=False)
    calls: list[ConnectorCall] = []

    def post(call: ConnectorCall) -> dict[str, int]:
        calls.append(call)
        return {"id": len(calls)}

    app.connector("chat", post=post)  # type: ignore[arg-type]  # dict[str, int] is JSON
    seen: list[object] = []

    @app.journey(id="wired", name="w", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        seen.append(await ctx.connector("chat").call("post", {"text": "hi"}))
        await ctx.sleep(timedelta(hours=1))
        seen.append(await ctx.is_subscribed("news"))
        assert time.time()

    journeys = build_journeys(
        settings.load({}, mode="cli"),
        db=database,
        app=app,
        mailer=FakeMailer(),
        nudge=Silent(),
        submitter=Runs(),
        clock=SystemClock(),
        new_id=uuid7,
        conversions=ConversionRegistry([]),
    )
    world = make_world(app)
    world.advance = journeys.advance
    world.send("start")
    try:
        world.pump()
        world.let_time_pass()
        world.pump()
    finally:
        journeys.close()

    with capture_logs() as logs:
        journeys.warn_of_code()

    [warning] = logs
    assert (warning["event"], warning["journey"]) == ("journey.cannot_be_replayed", "wired")
    assert "calls time.time()" in warning["error"]
    assert warning["place"].startswith(f"{__file__}:")
    assert seen == [{"id": 1}, {"id": 1}, False]
    assert dict(calls[0].args) == {"text": "hi"}
    assert world.states() == {"completed": 1}
