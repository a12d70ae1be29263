"""Events, workers and operators against each other; in the end nothing may be left."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.errors import Conflict, NotFound
from hogsend.events.models import NewEvent
from hogsend.journeys import operate
from hogsend.journeys.meta import Entry
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import HOUR
from tests.integration.journeys.world import World

pytestmark = [pytest.mark.integration, pytest.mark.slow]

_PEOPLE = [f"p{n}" for n in range(5)]
_NAMES = ["start", "go", "go", "team", "stop", "seen"]
_ROUNDS = 120


def stormy() -> App:
    app = App("stormy")
    acme = ("company", "acme")

    @app.journey(id="many", name="m", trigger=on("start"), entry=Entry.unlimited(),
                 exit_on=[on("stop")])  # fmt: skip
    async def many(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("one")
        await ctx.wait_for("go", timeout=HOUR)
        await ctx.wait_for("go", timeout=HOUR)
        await ctx.send_email("two")
        await ctx.sleep(timedelta(milliseconds=20))
        await ctx.wait_for("team", timeout=HOUR, group=acme)

    @app.journey(id="once", name="o", trigger=on("start"), exit_on=[on("stop")])
    async def once(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.wait_for("go", timeout=HOUR)

    return app


def some_event(dice: random.Random) -> NewEvent:
    """Of one of a few people, under one or two of their keys: they keep being merged."""
    person = dice.choice(_PEOPLE)
    keys = {"external_id": person, "email": f"{person}@x.co", "anonymous_id": f"a-{person}"}
    chosen = dice.sample(sorted(keys), k=dice.choice([1, 1, 2]))
    return NewEvent(
        name=dice.choice(_NAMES),
        external_id=keys["external_id"] if "external_id" in chosen else None,
        email=keys["email"] if "email" in chosen else None,
        anonymous_id=keys["anonymous_id"] if "anonymous_id" in chosen else None,
        groups={"company": "acme"} if dice.random() < 0.3 else None,
    )


def send(world: World, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(_ROUNDS):
        if dice.random() < 0.7:
            world.ingest.ingest(some_event(dice))
        else:
            world.ingest.ingest_many([some_event(dice) for _ in range(4)])


def work(world: World, is_over: threading.Event) -> None:
    while not is_over.is_set():
        world.timer.move_due()
        for run in world.claim():
            asyncio.run(world.work(run))


def meddle(world: World, seed: int, is_over: threading.Event) -> None:
    dice = random.Random(seed)
    actions: list[Callable[..., object]] = [operate.skip_wait, operate.cancel, operate.resume]
    while not is_over.wait(0.02):
        ids = world.sql("SELECT id FROM journey_states ORDER BY random() LIMIT 2")
        for (state_id,) in ids:
            with suppress(Conflict, NotFound):
                dice.choice(actions)(world.database, state_id)


@pytest.mark.parametrize("seed", range(2))
def test_storm_leaves_nobody_inside_and_nothing_behind(make_world: MakeWorld, seed: int) -> None:
    world = make_world(stormy(), batch=7)
    workers = [make_world(stormy(), batch=7) for _ in range(2)]
    is_over = threading.Event()
    senders = [threading.Thread(target=send, args=(world, seed * 10 + n)) for n in range(3)]
    others = [threading.Thread(target=work, args=(each, is_over)) for each in workers]
    others.append(threading.Thread(target=meddle, args=(world, seed, is_over)))

    for thread in (*senders, *others):
        thread.start()
    for thread in senders:
        thread.join(120)
    is_over.set()
    for thread in others:
        thread.join(60)
    for person in _PEOPLE:
        for keys in ({"anonymous_id": f"a-{person}"}, {"email": f"{person}@x.co"},
                     {"external_id": person}):  # fmt: skip
            world.ingest.ingest(NewEvent(name="stop", **keys))  # type: ignore[arg-type]
    for _ in range(5):
        world.expire_leases()
        world.pump()

    assert set(world.states()) <= {"completed", "exited"}
    assert (world.count("waits"), world.count("outbox")) == (0, 0)
    assert operate.reconcile(world.database, older_than=timedelta(0)).total == 0
