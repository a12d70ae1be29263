"""Content for the mode tests: a mail at once, and handlers that will not end."""

from __future__ import annotations

import asyncio
from typing import Any

from hogsend import App, Entry, on

app = App("modes")


@app.journey(
    id="straight", name="Straight", trigger=on("mail.wanted"), entry=Entry.unlimited(), min_gap=None
)
async def straight(user: Any, ctx: Any) -> None:
    await ctx.send_email("note", props={"word": "straight"})


@app.journey(
    id="stuck", name="Stuck", trigger=on("stuck.wanted"), entry=Entry.unlimited(), min_gap=None
)
async def stuck(user: Any, ctx: Any) -> None:
    print("stuck has begun", flush=True)
    await asyncio.sleep(600)
