"""Good and bad journeys for the tests of the test kit."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hogsend import App, Entry, Holdout, on, prop

Run = TypeVar("Run", bound=Callable[[Any, Any], Awaitable[object]])

app = App(__name__)
calls = {"count": 0}


@app.journey(
    id="good",
    name="Good",
    trigger=on("signed.up").where(prop("plan") != "internal"),
    entry=Entry.once(),
    exit_on=[on("account.closed"), on("plan.changed").where(prop("plan") == "none")],
)
async def good(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    begun = await ctx.wait_for(
        "project.created",
        timeout=timedelta(days=2),
        where=prop("size") >= 1,
        label="first-project",
    )
    if begun:
        await ctx.exit("knows the way")
    await ctx.send_email("getting-started")
    await ctx.sleep(timedelta(hours=1), label="a-while")


@app.journey(
    id="kept-out",
    name="Kept out",
    trigger=on("signed.up"),
    entry=Entry.unlimited(),
    holdout=Holdout(percent=50, salt="s"),
)
async def kept_out(user: Any, ctx: Any) -> None:
    await ctx.sleep(timedelta(days=1))


@app.journey(
    id="afterwards",
    name="Afterwards",
    trigger=on("journey:completed").where(prop("journeyId") == "good"),
    entry=Entry.unlimited(),
    min_gap=None,
)
async def afterwards(user: Any, ctx: Any) -> None:
    await ctx.checkpoint("good-is-over")


@app.journey(
    id="everything",
    name="Everything",
    trigger=on("note.left"),
    entry=Entry.unlimited(),
    min_gap=None,
)
async def everything(user: Any, ctx: Any) -> None:
    arm = await ctx.variant("tone", ["warm", "plain"])
    lucky = await ctx.once("lucky", lambda: calls["count"])
    batch = await ctx.digest(window=timedelta(hours=6))
    room = await ctx.throttle(limit=3, window=timedelta(days=1))
    takes_mail = await ctx.is_subscribed()
    seen = await ctx.history.has_event("note.left", within=timedelta(days=1))
    await ctx.sleep_until(ctx.when.next_local("10:00"), label="morning")
    answer = await ctx.connector("chat").call("post", {"arm": arm, "notes": batch.count})
    await ctx.trigger(
        "notes.posted",
        properties={
            "lucky": lucky,
            "room": room.allowed,
            "takes_mail": takes_mail,
            "seen": seen.count,
            "answer": answer["id"],
        },
    )


def _bad(name: str) -> Callable[[Run], Run]:
    return app.journey(id=name, name=name, trigger=on(name), entry=Entry.unlimited())


@_bad("reads-the-clock")
async def reads_the_clock(user: Any, ctx: Any) -> None:
    if datetime.now(UTC).year > 2000:
        await ctx.sleep(timedelta(days=1))


@_bad("reads-time")
async def reads_time(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome", props={"at": time.time()})


@_bad("rolls-dice")
async def rolls_dice(user: Any, ctx: Any) -> None:
    arm = random.choice(["a", "b"])
    await ctx.send_email("welcome", props={"arm": arm})


@_bad("makes-ids")
async def makes_ids(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome", props={"id": str(uuid.uuid4())})


@_bad("sleeps-for-real")
async def sleeps_for_real(user: Any, ctx: Any) -> None:
    time.sleep(0.01)
    await ctx.sleep(timedelta(days=1))


@_bad("asyncio-sleep")
async def asyncio_sleep(user: Any, ctx: Any) -> None:
    await asyncio.sleep(0.01)
    await ctx.sleep(timedelta(days=1))


@_bad("computes")
async def computes(user: Any, ctx: Any) -> None:
    total = 0
    started = time.thread_time()
    while time.thread_time() - started < 0.4:
        total += 1
    await ctx.sleep(timedelta(days=1))


@_bad("swallows")
async def swallows(user: Any, ctx: Any) -> None:
    try:
        await ctx.send_email("welcome")
    except BaseException:
        calls["count"] += 0
    await ctx.sleep(timedelta(days=1))


@_bad("cleans-up")
async def cleans_up(user: Any, ctx: Any) -> None:
    try:
        await ctx.sleep(timedelta(days=1))
    finally:
        await ctx.send_email("welcome")


@_bad("never-waits")
async def never_waits(user: Any, ctx: Any) -> None:
    while True:
        calls["count"] += 1


@_bad("asks-for-ever")
async def asks_for_ever(user: Any, ctx: Any) -> None:
    while True:
        await ctx.now()


@_bad("remembers")
async def remembers(user: Any, ctx: Any) -> None:
    calls["count"] += 1
    await ctx.sleep(timedelta(days=1), label=f"nap-{calls['count']}")


@_bad("sends-again")
async def sends_again(user: Any, ctx: Any) -> None:
    calls["count"] += 1
    await ctx.send_email("welcome", label=f"mail-{calls['count']}")


@_bad("will-not-go")
async def will_not_go(user: Any, ctx: Any) -> None:
    try:
        await ctx.exit("enough")
    except BaseException:
        calls["count"] += 0


@_bad("fine-randomness")
async def fine_randomness(user: Any, ctx: Any) -> None:
    dice = random.Random(user.id)
    uuid.uuid5(uuid.NAMESPACE_DNS, user.id)
    await ctx.send_email("welcome", props={"arm": dice.choice(["a", "b"])})
    await ctx.sleep(timedelta(days=1))
