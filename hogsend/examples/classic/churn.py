"""A payment that did not go through."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import Entry, on
from hogsend.examples.classic.app import app

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser

_TEMPLATE = "churn-payment-failed"


@app.journey(
    id="churn-prevention",
    name="Churn: failed payment",
    description="Three mails in three days, until the payment goes through.",
    trigger=on("payment.failed"),
    entry=Entry.once_per(timedelta(days=7)),
    exit_on=[on("payment.succeeded"), on("subscription.cancelled"), on("user.deleted")],
    min_gap=timedelta(hours=4),
    category="transactional",
)
async def churn_prevention(user: JourneyUser, ctx: JourneyContext) -> None:
    """Counts the days of grace down."""
    await ctx.send_email(_TEMPLATE, props={"gracePeriodDays": 3})
    await ctx.sleep(timedelta(days=1), label="second-try")
    await ctx.send_email(_TEMPLATE, props={"gracePeriodDays": 2})
    await ctx.sleep(timedelta(days=2), label="last-try")
    await ctx.send_email(_TEMPLATE, subject="Your plan ends today", props={"gracePeriodDays": 0})
