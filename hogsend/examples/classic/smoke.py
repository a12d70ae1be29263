"""A journey for trying an installation out: minutes instead of days."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import Entry, on
from hogsend.examples.classic.app import app

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser


@app.journey(
    id="test-onboarding",
    name="Test: onboarding",
    description="One mail, one short wait, one event in between and one at the end.",
    trigger=on("test.signup"),
    entry=Entry.unlimited(),
    exit_on=[on("test.cancelled")],
)
async def test_onboarding(user: JourneyUser, ctx: JourneyContext) -> None:
    """Answer ``test.step_done`` within two minutes to see the other path."""
    await ctx.trigger("test.started", properties={"journey": "test-onboarding"})
    await ctx.send_email("welcome")
    done = await ctx.wait_for("test.step_done", timeout=timedelta(minutes=2), label="step")
    if not done:
        await ctx.send_email("getting-started")
    await ctx.trigger("test.finished", properties={"answered": bool(done)})


test_onboarding.__test__ = False  # type: ignore[attr-defined]  # pytest collects by this name
