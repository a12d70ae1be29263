"""Replays every advance again and demands that nothing changes.

Three repetitions of each advance of a world:

- from its whole journal, at a later time: the same end, nothing new recorded, nothing sent;
- from the journal as a crash behind an effect would leave it: the same path and the same keys;
- cancelled inside each effect, as a stopping worker does: the function lets go.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from hogsend.email.models import SendRequest, SendResult
from hogsend.events.models import Ingested, NewEvent
from hogsend.journeys import store
from hogsend.journeys.effects.connector import ConnectorCall
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Enrollment, NewWait, Settlement, Step
from hogsend.journeys.runtime.passage import Passage, Services
from hogsend.journeys.runtime.replay import replay
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue
from hogsend.testing.advance_records import AdvanceRecord
from hogsend.testing.desk import Desk, NoDatabase
from hogsend.testing.turns import WatchedCoroutine
from hogsend.testing.watch import ReplayProblem, TurnWatch
from hogsend.testing.world import World

EFFECTS = frozenset({"send", "trigger", "connector"})
"""Kinds of steps that do something outside; each has an idempotency key of its own."""

_LATER = timedelta(days=3, hours=5, seconds=7)


def find_replay_problems(world: World) -> list[ReplayProblem]:
    """Everything in the advances so far that a replay could not repeat."""
    problems: dict[tuple[str, str], ReplayProblem] = {}
    for record in world.advances:
        checker = _Checker(world, record)
        world.run(checker.check())
        problems.update(checker.watch.problems)
    if world.breaker.stuck_at is not None:
        stuck = ReplayProblem(
            kind="endless loop",
            place=world.breaker.stuck_at,
            message="a loop that never waits; await a pause of ctx inside it, or end it",
        )
        problems["endless loop", stuck.place] = stuck
    for place, message in world.forgotten.items():
        forgotten = ReplayProblem(
            kind="forgotten", place=place, message=f"{message}; write `await` before the call"
        )
        problems["forgotten", place] = forgotten
    return list(problems.values())


class _Outside:
    """Everything a journey can do outside, remembered and answered from what happened before."""

    def __init__(self, world: World) -> None:
        self._mails = dict(world.mailbox.results)
        self._events = dict(world.arrivals.stored)
        self._calls = {k: v for c in world.connectors.values() for k, v in c.results.items()}
        self.actions: frozenset[str] = frozenset().union(
            *(connector.actions for connector in world.connectors.values())
        )
        self.asked: list[str] = []

    def send(self, request: SendRequest) -> SendResult:
        key = request.idempotency_key or ""
        self.asked.append(key)
        return self._mails.get(key, SendResult(status="sent"))

    def ingest(self, event: NewEvent) -> Ingested:
        key = event.idempotency_key or ""
        self.asked.append(key)
        known = self._events.get(key)
        return known or Ingested(
            stored=True, event_id=uuid7(), contact_id=None, contact_key="", exits=(), promised=0
        )

    def call(self, call: ConnectorCall) -> JsonValue:
        self.asked.append(call.key)
        return self._calls.get(call.key)


class _Checker:
    def __init__(self, world: World, record: AdvanceRecord) -> None:
        self._world = world
        self._record = record
        self._place = record.definition.place
        self._passage: Passage | None = None
        self.watch = TurnWatch(
            self._place.rpartition(":")[0],
            is_allowed=lambda: self._passage is not None and self._passage.is_computing,
        )

    async def check(self) -> None:
        steps = self._record.steps
        if self._record.settlement.status != "retry":
            await self._again(steps)
        effects = [index for index, step in enumerate(steps) if step.kind in EFFECTS]
        fresh = [i for i in effects if i >= self._first_fresh(steps)]
        for index in fresh:
            await self._crash_behind(steps, index)
            await self._cancel_inside(steps, index)

    async def _again(self, steps: Sequence[Step]) -> None:
        outside = _Outside(self._world)
        settlement = await self._replay(steps, self._services(outside))
        if outside.asked and self._record.settlement.status == "failed":
            return  # the effect failed, so nothing of it was recorded
        if outside.asked:
            self._wrong(f"sends again what was sent: {', '.join(outside.asked)}")
        if settlement is not None and settlement.steps:
            keys = ", ".join(step.key for step in settlement.steps)
            self._wrong(f"does not come to the same steps: {keys} is new")
        self._compare(settlement)

    async def _crash_behind(self, steps: Sequence[Step], index: int) -> None:
        """The effect happened, its record was lost: the same key must be used again."""
        lost = steps[index]
        kept = [s for s in steps if s is not lost]
        settlement = await self._replay(kept, self._services(_Outside(self._world)))
        if settlement is None or lost.key not in {step.key for step in settlement.steps}:
            self._wrong(f"a crash behind {lost.key!r} leads to another path")

    async def _cancel_inside(self, steps: Sequence[Step], index: int) -> None:
        """A stopping worker cancels: whatever the function catches, it must not go on."""
        kept = [s for s in steps if s is not steps[index]]
        services = replace(
            self._services(_Outside(self._world)), offload=_Cancelling(self._answers())
        )
        task = asyncio.ensure_future(self._replay(kept, services))
        try:
            await task
        except asyncio.CancelledError:
            return
        self.watch.add(
            "cancellation",
            self._place,
            f"goes on when it is cancelled at {steps[index].key!r}; "
            "let CancelledError pass, except Exception is wide enough",
        )

    async def _replay(self, steps: Sequence[Step], services: Services) -> Settlement | None:
        enrollment: Enrollment = replace(
            self._record.settlement.enrollment, steps=tuple(steps), outbox_id=0
        )
        state = random.getstate()
        random.seed(4812010)
        try:
            with capture_logs(), self._world.noticing_forgotten():
                return await replay(
                    enrollment,
                    self._watched(),
                    services,
                    attempts=1,
                    on_start=self._remember,
                )
        finally:
            random.setstate(state)

    def _watched(self) -> JourneyDefinition:
        definition = self._record.definition

        @contextmanager
        def turn() -> Any:
            with self._world.breaker.turn(), self.watch.turn():
                yield

        @contextmanager
        def closing() -> Any:
            self.watch.is_closing = True
            try:
                with turn():
                    yield
            except RuntimeError:
                self.watch.add(
                    "cancellation", self._place, "awaits something while it is being ended"
                )
            finally:
                self.watch.is_closing = False

        def run(user: Any, ctx: Any) -> Any:
            return WatchedCoroutine(definition.run(user, ctx), turn, closing, self._returned)

        # A journal without an effect looks like drift; its policy is not the question here.
        return replace(definition, run=run, meta=replace(definition.meta, on_drift="continue"))

    def _remember(self, passage: Passage) -> None:
        self._passage = passage

    def _returned(self) -> None:
        if self._passage is not None and self._passage.exiting is not None:
            self.watch.add(
                "cancellation",
                self._place,
                "goes on after ctx.exit; let JourneyExit pass, except Exception is wide enough",
            )

    def _services(self, outside: _Outside) -> Services:
        later = VirtualClock(self._world.clock.now() + _LATER)
        return replace(
            self._world.services({}),
            db=NoDatabase(),
            mailer=outside,
            ingest=outside.ingest,
            connectors=dict.fromkeys(self._world.connectors, outside),
            clock=later,
            offload=Desk(self._answers()),
        )

    def _answers(self) -> dict[Callable[..., Any], Callable[..., Any]]:
        answers = self._world.answers()
        return {**answers, store.record_steps: lambda *args, **kwargs: True}

    def _first_fresh(self, steps: Sequence[Step]) -> int:
        return len(self._record.settlement.enrollment.steps)

    def _compare(self, again: Settlement | None) -> None:
        before = self._record.settlement
        if again is None:
            self._wrong("a replay from its journal leads nowhere")
        elif (again.status, _pause(again.wait)) != (before.status, _pause(before.wait)):
            self._wrong(f"a replay ends with {_words(again)}, it was {_words(before)}")

    def _wrong(self, message: str) -> None:
        self.watch.add("replay", self._place, message)


class _Cancelling(Desk):
    """Cancels at the first call."""

    async def query(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        raise asyncio.CancelledError

    async def effect(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        raise asyncio.CancelledError


def _pause(wait: NewWait | None) -> object:
    # Not the due time: it depends on when the wait is reached.
    return wait and (wait.key, wait.kind, wait.event, wait.predicate, wait.group_key)


def _words(settlement: Settlement) -> str:
    wait = settlement.wait
    if wait is not None:
        return f"waiting at {wait.key!r}"
    why = settlement.error or settlement.reason
    return f"{settlement.status} ({why})" if why else settlement.status
