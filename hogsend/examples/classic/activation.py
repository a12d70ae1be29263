"""From a new account to the first result."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import Entry, Holdout, on
from hogsend.examples.classic.app import app

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser

_SUBJECTS = {
    "setup": "Your first event, in three steps",
    "outcome": "Your first journey, before lunch",
}


@app.journey(
    id="activation-welcome",
    name="Activation: welcome",
    description="Shows new people the way, and tests which promise makes them open the mail.",
    trigger=on("user.created"),
    entry=Entry.once(),
    exit_on=[on("user.deleted")],
    min_gap=timedelta(hours=12),
    holdout=Holdout(percent=10),
    goal="revenue",
)
async def activation_welcome(user: JourneyUser, ctx: JourneyContext) -> None:
    """Quickstart, then what fits: the next feature for those who began, help for the others."""
    promise = await ctx.variant("welcome-subject", ["setup", "outcome"])
    await ctx.send_email("activation-quickstart", subject=_SUBJECTS.get(promise))
    await ctx.sleep(timedelta(days=2), label="settle-in")
    if await ctx.history.has_event("feature.used"):
        await ctx.send_email("activation-feature-highlight")
    else:
        await ctx.send_email("activation-nudge", props={"daysSinceSignup": 2})
    await ctx.sleep(timedelta(days=2), label="find-company")
    await ctx.send_email("activation-community")


@app.journey(
    id="activation-nudge-series",
    name="Activation: nudges",
    description="Helps people over the step they are stuck on; stops when they are through.",
    trigger=on("user.created"),
    entry=Entry.once(),
    exit_on=[on("user.deleted"), on("user.activated")],
    min_gap=timedelta(hours=12),
    holdout=Holdout(percent=10),
)
async def activation_nudge_series(user: JourneyUser, ctx: JourneyContext) -> None:
    """Asks at each stage what they have done, and says only what they still need."""
    await ctx.sleep(timedelta(days=2), label="try-alone")
    if not await ctx.history.has_event("feature.used"):
        await ctx.send_email("activation-nudge", props={"daysSinceSignup": 2})
    await ctx.sleep(timedelta(days=1), label="after-the-nudge")
    if not await ctx.history.has_event("setup.completed"):
        await ctx.send_email("activation-quickstart")
    await ctx.sleep(timedelta(days=2), label="first-results")
    if await ctx.history.has_event("value.delivered"):
        await ctx.send_email("activation-feature-highlight")
    await ctx.sleep(timedelta(days=2), label="look-around")
    await ctx.send_email("activation-community")
