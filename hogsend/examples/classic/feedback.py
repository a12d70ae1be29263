"""One question, and what its answer starts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import Entry, on, prop
from hogsend.examples.classic.app import app

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser

_DETRACTOR = 6


@app.journey(
    id="feedback-nps",
    name="Feedback: one question",
    description="Asks after two weeks, reminds once, and tells when somebody is unhappy.",
    trigger=on("user.created"),
    entry=Entry.once(),
    exit_on=[on("user.deleted")],
    min_gap=timedelta(days=1),
)
async def feedback_nps(user: JourneyUser, ctx: JourneyContext) -> None:
    """The answer is an event: ``nps.submitted`` with a ``score`` from 0 to 10."""
    await ctx.sleep(timedelta(days=14), label="two-weeks")
    await ctx.send_email("feedback-nps-survey")
    is_score = (prop("score") >= 0) & (prop("score") <= 10)
    answer = await ctx.wait_for(
        "nps.submitted", timeout=timedelta(days=3), where=is_score, label="answer"
    )
    if not answer:
        await ctx.send_email("feedback-nps-survey", subject="Still one question")
        answer = await ctx.wait_for(
            "nps.submitted",
            timeout=timedelta(days=7),
            where=is_score,
            lookback=timedelta(hours=1),
            label="late-answer",
        )
    if not answer:
        return
    score = answer.properties["score"]
    assert isinstance(score, int | float)
    await ctx.checkpoint(f"scored-{score:g}")
    if score <= _DETRACTOR:
        await ctx.trigger("nps.detractor", properties={"score": score})
