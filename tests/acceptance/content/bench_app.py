"""Content for the benches: people who only wait, and people with much behind them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hogsend import App, Entry, on

app = App("bench")


@app.journey(
    id="long-wait", name="Long wait", trigger=on("long.wait"), entry=Entry.once(), min_gap=None
)
async def long_wait(user: Any, ctx: Any) -> None:
    await ctx.sleep(timedelta(days=30), label="a-month")


@app.journey(
    id="many-steps", name="Many steps", trigger=on("many.steps"), entry=Entry.once(), min_gap=None
)
async def many_steps(user: Any, ctx: Any) -> None:
    for n in range(user.properties["steps"]):
        await ctx.once(f"step-{n}", lambda: 1)
    await ctx.sleep(timedelta(days=30), label="a-month")


@app.journey(
    id="short-nap", name="Short nap", trigger=on("short.nap"), entry=Entry.once(), min_gap=None
)
async def short_nap(user: Any, ctx: Any) -> None:
    await ctx.sleep(timedelta(seconds=3), label="nap")
