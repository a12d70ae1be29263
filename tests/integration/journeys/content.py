"""Journeys for the tests, each a single behaviour."""

from __future__ import annotations

from datetime import timedelta
from typing import Unpack

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.journeys.meta import Entry, JourneyFields
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser

HOUR = timedelta(hours=1)


def fields(journey_id: str, given: JourneyFields) -> JourneyFields:
    defaults: JourneyFields = {
        "id": journey_id,
        "name": journey_id,
        "trigger": on("start"),
        "entry": Entry.unlimited(),
    }
    return {**defaults, **given}


def sleeper(**given: Unpack[JourneyFields]) -> App:
    """Mail, sleep, mail."""
    app = App("sleeper")

    @app.journey(**fields("sleeper", given))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("before")
        await ctx.sleep(HOUR, label="nap")
        await ctx.send_email("after")

    return app


def napper(**given: Unpack[JourneyFields]) -> App:
    """Only sleeps."""
    app = App("napper")

    @app.journey(**fields("napper", given))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.sleep(HOUR, label="nap")

    return app


def asker(*, lookback: timedelta | None = None, **given: Unpack[JourneyFields]) -> App:
    """Mail a question, wait for the answer, mail accordingly."""
    app = App("asker")

    @app.journey(**fields("asker", given))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("question")
        answer = await ctx.wait_for("answered", timeout=HOUR, label="answer", lookback=lookback)
        word = answer.properties.get("word", "?") if answer else "nothing"
        await ctx.send_email(f"got-{word}")

    return app
