"""People who have gone quiet."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import Entry, Holdout, on
from hogsend.examples.classic.app import app

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser


@app.journey(
    id="reactivation-dormancy",
    name="Reactivation: dormancy",
    description="Four mails over a month, ever further apart; then it lets go.",
    trigger=on("user.dormancy_detected"),
    entry=Entry.once_per(timedelta(days=60)),
    exit_on=[on("app.active"), on("bucket:left:went-dormant"), on("user.deleted")],
    min_gap=timedelta(days=2),
    holdout=Holdout(percent=15),
)
async def reactivation_dormancy(user: JourneyUser, ctx: JourneyContext) -> None:
    """Whoever comes back hears no more of it."""
    await ctx.send_email("reactivation-checkin", props={"daysSinceActive": 14})
    await ctx.sleep(timedelta(days=7), label="three-weeks")
    await ctx.send_email("reactivation-checkin", props={"daysSinceActive": 21})
    await ctx.sleep(timedelta(days=9), label="a-month")
    await ctx.send_email("conversion-winback-offer")
    await ctx.sleep(timedelta(days=15), label="six-weeks")
    await ctx.send_email("reactivation-final-nudge")
    await ctx.trigger("user.suppressed", properties={"reason": "dormant"})
