"""The built-in example: greet somebody who signed up, help them when they have not begun."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import App, Entry, on

if TYPE_CHECKING:
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser

app = App(__name__)


@app.journey(
    id="welcome",
    name="Welcome",
    description="Greets new people. Events with `demo: true` wait seconds instead of days.",
    trigger=on("user.signed_up"),
    entry=Entry.once(),
    exit_on=[on("user.deleted")],
)
async def welcome(user: JourneyUser, ctx: JourneyContext) -> None:
    """A greeting at once; a nudge when nothing was begun after two days."""
    is_demo = user.properties.get("demo") is True
    await ctx.send_email("welcome")
    begun = await ctx.wait_for(
        "project.created",
        timeout=timedelta(seconds=2) if is_demo else timedelta(days=2),
        label="first-project",
    )
    if not begun:
        await ctx.send_email("getting-started")
