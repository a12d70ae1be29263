"""Journeys with the mistakes people make, for test_mistakes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hogsend import App, Entry, on

Run = TypeVar("Run", bound=Callable[[Any, Any], Awaitable[object]])

app = App(__name__)
app.list("news", name="News", default_opt_in=False)
app.list("tips", name="Tips")
app.connector("bell", ring=lambda call: 1 / 0)
DAY = timedelta(days=1)


def _journey(function: Run) -> Run:
    name = function.__name__
    return app.journey(id=name, name=name, trigger=on(name), entry=Entry.unlimited())(function)


@_journey
async def forgets_await(user: Any, ctx: Any) -> None:
    ctx.send_email("welcome")  # forgotten
    await ctx.sleep(DAY)


@_journey
async def forgets_await_in_condition(user: Any, ctx: Any) -> None:
    if ctx.is_subscribed():  # forgotten
        await ctx.send_email("welcome")


@_journey
async def forgets_await_of_history(user: Any, ctx: Any) -> None:
    if not ctx.history.has_event("project.created"):  # forgotten
        await ctx.send_email("welcome")


@_journey
async def forgets_await_of_connector(user: Any, ctx: Any) -> None:
    ctx.connector("chat").call("post")  # forgotten
    await ctx.send_email("welcome")


@_journey
async def forgets_await_at_the_end(user: Any, ctx: Any) -> None:
    ctx.exit("enough")  # forgotten


@_journey
async def keeps_a_call_for_later(user: Any, ctx: Any) -> None:
    nap, mail = ctx.sleep(DAY), ctx.send_email("welcome")  # forgotten
    await nap
    await mail


@_journey
async def starts_a_task(user: Any, ctx: Any) -> None:
    asyncio.ensure_future(ctx.send_email("welcome"))  # forgotten  # noqa: RUF006


async def greet(ctx: Any) -> None:
    await ctx.send_email("welcome")


@_journey
async def forgets_await_of_a_helper(user: Any, ctx: Any) -> None:
    greet(ctx)  # type: ignore[unused-coroutine]  # forgotten
    await ctx.sleep(DAY)


@_journey
async def gathers(user: Any, ctx: Any) -> None:
    await asyncio.gather(
        ctx.wait_for("a", timeout=DAY), ctx.wait_for("b", timeout=DAY), return_exceptions=True
    )


@_journey
async def catches_everything(user: Any, ctx: Any) -> None:
    with contextlib.suppress(Exception):
        await ctx.send_email("wellcome")
    await ctx.sleep(DAY)


@_journey
async def interrupts(user: Any, ctx: Any) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await ctx.send_email("welcome")
    await ctx.sleep(DAY)


@_journey
async def catches_a_connector(user: Any, ctx: Any) -> None:
    try:
        await ctx.connector("chat").call("post", {"text": "hi"})
        said = "told"
    except ConnectionError as error:
        said = f"could not: {error}"
    await ctx.sleep(DAY, label="nap")
    await ctx.checkpoint(said)


@_journey
async def catches_once(user: Any, ctx: Any) -> None:
    weather = "unknown"
    with contextlib.suppress(LookupError):
        weather = await ctx.once("weather", lambda: _WEATHER[0])
    await ctx.sleep(DAY, label="nap")
    await ctx.checkpoint(f"weather-{weather}")


_WEATHER: list[str] = []


@_journey
async def keeps_a_tuple(user: Any, ctx: Any) -> None:
    pair = await ctx.once("pair", lambda: ("a", {1: datetime(2025, 1, 1, tzinfo=UTC)}))
    await ctx.checkpoint(repr(pair))


@_journey
async def goes_on_for_years(user: Any, ctx: Any) -> None:
    for n in range(400):
        await ctx.now()
        await ctx.is_subscribed()
        await ctx.send_email("welcome")
        await ctx.sleep(timedelta(days=7), label="week")
        if n == 399:
            await ctx.checkpoint("all-of-them")


@_journey
async def uses_a_label_like_ours(user: Any, ctx: Any) -> None:
    await ctx.sleep(DAY, label="nap#2")
    await ctx.sleep(DAY, label="nap")
    await ctx.sleep(DAY, label="nap")


@_journey
async def takes_any_label(user: Any, ctx: Any) -> None:
    await ctx.sleep(DAY, label=user.properties["label"])


@_journey
async def asks_about_a_list(user: Any, ctx: Any) -> None:
    if await ctx.is_subscribed(user.properties["list"]):
        await ctx.send_email("welcome")


@_journey
async def counts_a_list_nobody_has(user: Any, ctx: Any) -> None:
    await ctx.throttle(limit=1, window=DAY, category="nwes")


@app.journey(id="to-a-list", name="To a list", trigger=on("to-a-list"), category="news")
async def writes_to_a_list(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")


@_journey
async def rings(user: Any, ctx: Any) -> None:
    answer = await ctx.connector("bell").call("ring", {"times": 2})
    await ctx.checkpoint(f"answered-{answer}")


@_journey
async def mistypes(user: Any, ctx: Any) -> None:
    await getattr(ctx, user.properties["call"])()


@_journey
async def mistypes_a_template(user: Any, ctx: Any) -> None:
    await ctx.send_email("wellcome")


@_journey
async def mistypes_a_zone(user: Any, ctx: Any) -> None:
    await ctx.sleep_until(ctx.when.tz("Europe/Berln").next_local("10:00"))


_COUNT = {"calls": 0}


@_journey
async def counts_its_calls(user: Any, ctx: Any) -> None:
    _COUNT["calls"] += 1
    await ctx.sleep(DAY * _COUNT["calls"])
