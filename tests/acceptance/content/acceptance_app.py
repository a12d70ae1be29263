"""Content for the acceptance tests: one journey per behaviour, waits of seconds or less."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hogsend import App, Entry, on

app = App("acceptance")


@app.journey(
    id="two-naps", name="Two naps", trigger=on("nap.wanted"), entry=Entry.unlimited(), min_gap=None
)
async def two_naps(user: Any, ctx: Any) -> None:
    await ctx.sleep(timedelta(seconds=user.properties["seconds"]), label="first-nap")
    await ctx.send_email("note", props={"word": "awake"})
    await ctx.sleep(timedelta(seconds=1), label="second-nap")


@app.journey(
    id="either-way",
    name="Either way",
    trigger=on("question.asked"),
    entry=Entry.unlimited(),
    exit_on=[on("question.withdrawn")],
    min_gap=None,
)
async def either_way(user: Any, ctx: Any) -> None:
    answer = await ctx.wait_for(
        "question.answered", timeout=timedelta(seconds=user.properties["patience"]), label="answer"
    )
    await ctx.send_email("note", props={"word": "answered" if answer else "timed-out"})


@app.journey(
    id="straight", name="Straight", trigger=on("mail.wanted"), entry=Entry.unlimited(), min_gap=None
)
async def straight(user: Any, ctx: Any) -> None:
    await ctx.send_email("note", props={"word": "straight"})


@app.journey(
    id="picky", name="Picky", trigger=on("picky.started"), entry=Entry.unlimited(), min_gap=None
)
async def picky(user: Any, ctx: Any) -> None:
    if user.properties.get("poison"):
        raise RuntimeError("this member is poisoned")
    if user.properties.get("bad_template"):
        await ctx.send_email("broken")
    await ctx.send_email("note", props={"word": "fine"})
