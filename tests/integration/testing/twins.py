"""A journey that uses every call whose answer does not depend on the hour of the day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hogsend import App, Entry, on, prop

app = App(__name__)
app.list("digests", name="Digests", default_opt_in=True)
HOUR = timedelta(hours=1)


@app.journey(
    id="roundup",
    name="Roundup",
    trigger=on("note.left").where(prop("muted").not_exists() | (prop("n") >= 2)),
    entry=Entry.unlimited(),
    exit_on=[on("account.closed").where(prop("deep").not_exists())],
    min_gap=timedelta(hours=30),
    category="digests",
)
async def roundup(user: Any, ctx: Any) -> None:
    batch = await ctx.digest(window=6 * HOUR, max_events=2)
    room = await ctx.throttle(limit=2, window=timedelta(days=3), category="digests")
    arm = await ctx.variant("tone", ["warm", "plain"])
    label = await ctx.once("label", lambda: f"{arm}-{batch.count}")
    sent = await ctx.send_email(
        "welcome", props={"count": batch.count, "more": batch.truncated, "room": room.count}
    )
    await ctx.checkpoint(label)
    reply = await ctx.wait_for(
        "replied", timeout=20 * HOUR, where=prop("n") != 0, lookback=5 * HOUR, label="reply"
    )
    paid = await ctx.wait_for("paid", timeout=10 * HOUR, group="company", label="company-pays")
    seen = await ctx.history.has_event("note.left", within=timedelta(days=1))
    ours = await ctx.history.count("note.left", within=timedelta(days=2), group="company")
    bob = await ctx.history.of("bob").has_event("note.left")
    last = await ctx.history.last("replied")
    past = await ctx.history.journey()
    mail = await ctx.history.email("welcome")
    told = await ctx.connector("chat").call("post", {"n": seen.count})
    await ctx.trigger(
        "roundup.over",
        properties={
            "status": sent.status,
            "reason": sent.reason,
            "reply": dict(reply.properties),
            "payer": paid.actor_user_id,
            "seen": seen.count,
            "ours": ours,
            "bob": bob.count,
            "last": dict(last.properties) if last else None,
            "entries": past.entry_count,
            "completed": past.completed,
            "mails": mail.count,
            "told": told,
            "listens": await ctx.is_subscribed("digests"),
        },
    )
    if reply:
        await ctx.exit("answered")
    await ctx.sleep(HOUR, label="end")


@app.journey(
    id="afterwards",
    name="Afterwards",
    trigger=on("roundup.over").where(prop("mails") >= 1),
    entry=Entry.once_per(timedelta(days=2)),
)
async def afterwards(user: Any, ctx: Any) -> None:
    await ctx.send_email("getting-started", props={"mails": user.properties["mails"]})
