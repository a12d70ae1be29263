"""The process dies before or after every single statement and every single effect.

Whatever the moment: once somebody else takes over, everybody has every mail exactly once, every
event exactly once, and ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.db import Executor, Query
from hogsend.email.models import SendRequest, SendResult
from hogsend.events.models import Ingested, NewEvent
from hogsend.journeys.meta import Entry
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.passage import Services
from hogsend.journeys.runtime.user import JourneyUser
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import HOUR
from tests.integration.journeys.world import FakeMailer, World

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PEOPLE = ("ada", "bob")
LINES = (
    "checkpoint waiting-for-answer",
    "completed end-completed",
    "entered start",
    "resume nap",
    "resume wait-event:answer",
    "send send:hello-1",
    "send send:wait-event:answer",
    "sleep nap",
    "trigger trigger:halfway",
    "wait wait-event:answer",
)


class Killed(BaseException):
    """The process ends here."""


class Fuse:
    """Burns at its n-th spark; from then on nothing of this process has any effect."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.sparks: list[str] = []
        self._lock = threading.Lock()

    def spark(self, name: str) -> None:
        with self._lock:
            self.sparks.append(name)
            if self.left is None:
                return
            if self.left <= 0:
                raise Killed(name)
            self.left -= 1
            if self.left == 0:
                raise Killed(name)


class FusedExecutor:
    def __init__(self, inner: Executor, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        self._fuse.spark(f"before {query.name}")
        rows = self._inner.run(query, **params)
        self._fuse.spark(f"after {query.name}")
        return rows


class FusedMailer(FakeMailer):
    """The provider is told once per key; ``deliveries`` is what people see."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse
        self.deliveries: Counter[tuple[str, str]] = Counter()

    def send(self, request: SendRequest) -> SendResult:
        self._fuse.spark(f"before mail {request.template}")
        with self._lock:
            key = str(request.idempotency_key)
            if key not in self._done:
                self.deliveries[request.to, request.template] += 1
                self._done[key] = SendResult(status="sent", send_id=uuid7())
            result = self._done[key]
        self._fuse.spark(f"after mail {request.template}")
        return result


class FusedWorld(World):
    fuse: Fuse

    def services(self) -> Services:
        def ingest(event: NewEvent) -> Ingested:
            self.fuse.spark("before event")
            answer = self.ingest.ingest(event)
            self.fuse.spark("after event")
            return answer

        return Services(
            db=FusedExecutor(self.database, self.fuse),
            offload=self.offload,
            mailer=self.mailer,
            clock=SystemClock(),
            ingest=ingest,
        )

    def live_until_killed(self) -> bool:
        """Work until nothing is due; True when the process died on the way."""
        try:
            self.pump()
        except Killed:
            return True
        return False


def passage() -> App:
    """Every kind of step: reads, a draw, mails, a sleep, an event, a wait that an event ends."""
    app = App("passage")

    @app.journey(id="passage", name="p", trigger=on("start"), entry=Entry.unlimited())
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        arm = await ctx.variant("arm", ["x", "y"])
        before = await ctx.history.count("start")
        await ctx.send_email(f"hello-{before}", props={"arm": arm})
        await ctx.sleep(HOUR, label="nap")
        token = await ctx.once("token", lambda: str(uuid7()))
        await ctx.trigger("halfway", properties={"token": token})
        await ctx.checkpoint("waiting-for-answer")
        answer = await ctx.wait_for("answer", timeout=HOUR)
        await ctx.send_email("yes" if answer else "no")

    return app


def live_one_life(world: FusedWorld, step: int) -> bool:
    """One of the three times something is due; True when the process died."""
    if step == 0:
        return world.live_until_killed()
    if step == 1:
        world.sql("UPDATE waits SET due_at = now() WHERE outcome IS NULL AND kind = 'sleep'")
        return world.live_until_killed()
    if step == 2 and not world.sql("SELECT 1 FROM user_events WHERE event = 'answer'"):
        for person in PEOPLE:
            world.send("answer", person)
    return world.live_until_killed()


def build(make_world: MakeWorld) -> tuple[FusedWorld, FusedMailer]:
    fuse = Fuse()
    FusedWorld.fuse = fuse
    mailer = FusedMailer(fuse)
    template = make_world(passage())
    world = FusedWorld(app=template.app, database=template.database, mailer=mailer)
    return world, mailer


def reset(world: FusedWorld, mailer: FusedMailer) -> None:
    world.sql("TRUNCATE journey_states, journey_logs, journey_steps, waits, journey_skips, outbox,"
              " user_events CASCADE")  # fmt: skip
    mailer.deliveries.clear()
    mailer.requests.clear()
    mailer._done.clear()
    world.fuse.left = None
    world.fuse.sparks.clear()


def play(world: FusedWorld, *, kill_at: int | None) -> bool:
    """The whole passage, with one death; True when the death happened."""
    world.fuse.left = kill_at
    for person in PEOPLE:
        world.send("start", person)
    died = False
    for step in range(3):
        while live_one_life(world, step):
            died = True
            world.fuse.left = None  # the next process lives
            world.expire_leases()
    return died


def check(world: FusedWorld, mailer: FusedMailer, moment: str) -> None:
    expected = {(f"{p}@people.test", t): 1 for p in PEOPLE for t in ("hello-1", "yes")}
    assert mailer.deliveries == expected, moment
    assert world.states() == {"completed": len(PEOPLE)}, moment
    halfway = world.sql("SELECT user_id, count(*) FROM user_events WHERE event = 'halfway'"
                        " GROUP BY user_id ORDER BY user_id")  # fmt: skip
    assert halfway == [(person, 1) for person in PEOPLE], moment
    assert world.count("outbox") == 0, moment
    assert world.count("waits") == 0, moment
    tokens = world.sql(
        "SELECT count(*) FROM journey_steps s JOIN journey_states j ON j.id = s.state_id"
        " JOIN user_events e ON e.event = 'halfway' AND e.user_id = j.user_id"
        " WHERE s.key = 'once:token' AND e.properties -> 'token' = s.value"
    )
    assert tokens == [(len(PEOPLE),)], moment  # what was recorded is what the world saw
    lines = world.sql(
        "SELECT action || ' ' || to_node_id, count(*) FROM journey_logs GROUP BY 1 ORDER BY 1"
    )
    assert lines == [(line, len(PEOPLE)) for line in LINES], moment


def test_death_at_any_moment_loses_nothing_and_repeats_nothing(make_world: MakeWorld) -> None:
    world, mailer = build(make_world)
    try:
        assert not play(world, kill_at=None)
        check(world, mailer, "no death")
        moments = list(world.fuse.sparks)

        for number, moment in enumerate(moments, start=1):
            reset(world, mailer)
            died = play(world, kill_at=number)
            check(world, mailer, f"death {number} of {len(moments)}: {moment}")
            assert died or number >= len(moments) - 4, moment
    finally:
        asyncio.run(asyncio.sleep(0))
        world.close()
    print(f"{len(moments)} moments: {Counter(moments)}")
