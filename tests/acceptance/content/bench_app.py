"""Content for the benches: somebody who only waits."""

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
