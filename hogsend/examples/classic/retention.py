"""Something to be proud of, and somebody to show it to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import Entry, on
from hogsend.examples.classic.app import app
from hogsend.examples.classic.given import is_web_address, is_words

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser
    from hogsend.kernel.wire_json import JsonValue

_WORDS = ("achievementName", "achievementDescription", "stat")


@app.journey(
    id="retention-milestone",
    name="Retention: milestone",
    description="Celebrates what somebody has reached, and points to others who did.",
    trigger=on("milestone.reached"),
    entry=Entry.unlimited(),
    min_gap=timedelta(days=1),
)
async def retention_milestone(user: JourneyUser, ctx: JourneyContext) -> None:
    """At once, while it is fresh."""
    await ctx.send_email("retention-achievement", props=_achievement(user))
    await ctx.sleep(timedelta(days=1), label="enjoy-it")
    await ctx.send_email("activation-community")


@app.journey(
    id="referral-invite",
    name="Referral: invite",
    description="Asks people who are doing well, and are around, to tell somebody.",
    trigger=on("milestone.reached"),
    entry=Entry.once_per(timedelta(days=7)),
    min_gap=timedelta(days=2),
)
async def referral_invite(user: JourneyUser, ctx: JourneyContext) -> None:
    """Only to those who were here this month."""
    await ctx.sleep(timedelta(hours=2), label="a-quiet-moment")
    if not await ctx.history.has_event("session.completed", within=timedelta(days=30)):
        return
    await ctx.send_email(
        "retention-achievement", subject="Who should see this?", props=_achievement(user)
    )


def _achievement(user: JourneyUser) -> dict[str, JsonValue]:
    """What the event says about the milestone; the template has words for the rest."""
    given = {name: user.properties.get(name) for name in _WORDS}
    props = {name: value for name, value in given.items() if is_words(value)}
    if is_web_address(url := user.properties.get("shareUrl")):
        props["shareUrl"] = url
    return props
