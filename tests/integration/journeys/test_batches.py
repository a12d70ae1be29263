"""Members of one batch do not wait for each other, and share statements where they can."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.email.models import SendRequest, SendResult
from hogsend.journeys.meta import Entry
from tests.integration.journeys.conftest import MakeWorld

pytestmark = pytest.mark.integration

_OTHERS = 20


def mailing() -> App:
    app = App("mailing")

    @app.journey(id="mailing", name="m", trigger=on("start"), entry=Entry.unlimited(), min_gap=None)
    async def run(user: Any, ctx: Any) -> None:
        await ctx.send_email("slow" if user.id == "slow" else "quick")

    return app


def test_slow_member_does_not_keep_the_others_from_settling(make_world: MakeWorld) -> None:
    world = make_world(mailing())
    released = threading.Event()

    def hang(_: SendRequest) -> SendResult | None:
        released.wait(60)
        return None

    world.mailer.effects["slow"] = hang
    world.send("start", "slow")
    for n in range(_OTHERS):
        world.send("start", f"u{n}")
    (run,) = world.claim()
    world.db.names.clear()

    async def watch() -> None:
        batch = asyncio.create_task(world.work(run))
        while len(world.mailer.delivered) < _OTHERS:
            await asyncio.sleep(0.005)
        mailed = time.monotonic()
        while world.states() != {"completed": _OTHERS, "active": 1}:
            assert time.monotonic() - mailed < 20, world.states()
            await asyncio.sleep(0.01)
        assert not batch.done()
        released.set()
        await batch

    asyncio.run(watch())

    assert world.states() == {"completed": _OTHERS + 1}
    settles = world.db.names.count("settle_advances")
    assert settles <= _OTHERS // 2 + 2, world.db.names  # those who end together share one
