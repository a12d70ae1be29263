"""From trying to paying."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import Entry, Holdout, on
from hogsend.examples.classic.app import app
from hogsend.examples.classic.given import is_web_address

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser
    from hogsend.kernel.wire_json import JsonValue


@app.journey(
    id="conversion-trial-upgrade",
    name="Conversion: trial to paid",
    description="Shows what a trial has brought, reminds of its end, makes one last offer.",
    trigger=on("trial.started"),
    entry=Entry.once(),
    exit_on=[on("subscription.created"), on("user.deleted")],
    min_gap=timedelta(days=1),
    holdout=Holdout(percent=10),
)
async def conversion_trial_upgrade(user: JourneyUser, ctx: JourneyContext) -> None:
    """Fourteen days; everything stops with the subscription."""
    await ctx.sleep(timedelta(days=3), label="first-days")
    await ctx.send_email("conversion-usage-milestone")
    await ctx.sleep(timedelta(days=4), label="first-week")
    if await ctx.history.has_event("paid_feature.tried"):
        await ctx.send_email("conversion-usage-milestone")
    await ctx.sleep(timedelta(days=3), label="last-days")
    await ctx.send_email("conversion-trial-expiring", props={"daysLeft": 3})
    await ctx.sleep(timedelta(days=2), label="last-day")
    await ctx.send_email("conversion-trial-expiring", props={"daysLeft": 1})
    await ctx.sleep(timedelta(days=2), label="after-the-trial")
    if not await ctx.history.has_event("subscription.created"):
        await ctx.send_email("conversion-winback-offer")


@app.journey(
    id="conversion-abandoned-checkout",
    name="Conversion: abandoned checkout",
    description="Two mails to somebody who was about to pay; none once they have.",
    trigger=on("checkout.abandoned"),
    entry=Entry.once_per(timedelta(days=3)),
    exit_on=[on("subscription.created"), on("checkout.completed")],
    min_gap=timedelta(hours=4),
    holdout=Holdout(percent=10),
)
async def conversion_abandoned_checkout(user: JourneyUser, ctx: JourneyContext) -> None:
    """Two hours of peace first: most come back by themselves."""
    await ctx.sleep(timedelta(hours=2), label="come-back-alone")
    if await ctx.history.has_event("checkout.completed", within=timedelta(hours=3)):
        return
    basket: dict[str, JsonValue] = {"daysLeft": 0}
    if is_web_address(url := user.properties.get("checkoutUrl")):
        basket["upgradeUrl"] = url
    await ctx.send_email("conversion-trial-expiring", subject="Still thinking?", props=basket)
    await ctx.sleep(timedelta(days=1), label="sleep-on-it")
    await ctx.send_email("conversion-winback-offer")
