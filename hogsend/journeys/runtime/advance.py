"""Fulfils a batch of enrollments of one journey: claim, replay, settle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import structlog

from hogsend.db.errors import DatabaseError, DatabaseUnavailable
from hogsend.journeys import store
from hogsend.journeys.announce import announced
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Begun, Enrollment, Item, Settlement
from hogsend.journeys.runtime.passage import Services
from hogsend.journeys.runtime.replay import replay
from hogsend.outbox import store as outbox

if TYPE_CHECKING:
    from hogsend.telemetry.tracing import Tracing


class AdvanceObserver(Protocol):
    """Told what became of every enrollment of a batch, for metrics."""

    def __call__(self, *, journey: str, outcome: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceOptions:
    """``lease``: how long a dead worker's enrollments stay taken; renewed at half of it.
    ``attempts``: tries of an advance before its enrollment is failed. ``announced``: names of
    events about ends that some journey listens to.
    """

    lease: timedelta = timedelta(seconds=60)
    attempts: int = 5
    announced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wakers:
    """``poke``: outbox rows were committed; ``expect``: a wait is due at that instant."""

    poke: Callable[[], None]
    expect: Callable[[datetime], None]


class Advance:
    """One engine run. Members fail, wait and settle on their own; the batch only shares trips.

    Two statements for a batch whose members end at the same time: begin, settle. A member that is
    slower settles with whoever ends when it does.
    """

    def __init__(
        self,
        services: Services,
        options: AdvanceOptions,
        *,
        wakers: Wakers,
        new_id: Callable[[], UUID],
        observe: AdvanceObserver | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._services = services
        self._options = options
        self._wakers = wakers
        self._new_id = new_id
        self._observe = observe
        self._tracing = tracing
        self._log = structlog.get_logger()

    async def run(self, definition: JourneyDefinition, items: Sequence[Item]) -> dict[str, int]:
        """Advance every item that nobody else holds; answers how many ended how.

        Raises DatabaseUnavailable when nothing could be claimed: the rows become due again.
        """
        holder = self._new_id()
        outcomes: Counter[str] = Counter()
        begun = await self._begin(definition, items, holder)
        outcomes.update(b.reason or b.verdict for b in begun if b.verdict != "run")
        running = {
            asyncio.create_task(self._replay(b.enrollment, definition)): b.enrollment
            for b in begun
            if b.enrollment is not None
        }
        if running:
            await self._finish(definition, running, holder, outcomes)
        if self._observe is not None:
            for outcome in outcomes.elements():
                self._observe(journey=definition.meta.id, outcome=outcome)
        return dict(outcomes)

    async def _replay(
        self, enrollment: Enrollment, definition: JourneyDefinition
    ) -> Settlement | None:
        """Every line that is logged below, also on threads, names the enrollment and its event."""
        cause = enrollment.origin_event_id
        named = {
            "journey": definition.meta.id,
            "state_id": str(enrollment.id),
            "event_id": None if cause is None else str(cause),
        }
        structlog.contextvars.bind_contextvars(**named)  # of this asyncio task only
        with self._span(cause, named):
            settlement = await replay(
                enrollment, definition, self._services, attempts=self._options.attempts
            )
        self._log.debug("journey.advanced", status=settlement.status if settlement else "left")
        return settlement

    def _span(
        self, cause: UUID | None, named: Mapping[str, str | None]
    ) -> AbstractContextManager[None]:
        if self._tracing is None:
            return nullcontext()
        attributes = {f"hogsend.{name}": value for name, value in named.items() if value}
        return self._tracing.caused_by(cause, "hogsend.advance", attributes)

    async def _begin(
        self, definition: JourneyDefinition, items: Sequence[Item], holder: UUID
    ) -> list[Begun]:
        try:
            return await self._claim(definition, items, holder)
        except DatabaseUnavailable:
            raise
        except DatabaseError as error:
            if len(items) == 1:
                self._log.error(
                    "journey.claim_failed",
                    journey=definition.meta.id,
                    outbox_id=items[0].outbox_id,
                    error=str(error),
                )
                return []
        begun: list[Begun] = []
        for item in items:  # one of them is poison: it must not take the others down
            begun += await self._begin(definition, [item], holder)
        return begun

    async def _claim(
        self, definition: JourneyDefinition, items: Sequence[Item], holder: UUID
    ) -> list[Begun]:
        return await self._services.offload.query(
            store.begin_advances,
            self._services.db,
            definition,
            items,
            holder=holder,
            lease=self._options.lease,
            new_id=self._new_id,
        )

    async def _finish(
        self,
        definition: JourneyDefinition,
        running: dict[asyncio.Task[Settlement | None], Enrollment],
        holder: UUID,
        outcomes: Counter[str],
    ) -> None:
        renewal = asyncio.create_task(self._keep_lease(running, holder))
        pending = set(running)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                settlements = []
                for task in done:
                    settlement = None if task.cancelled() else task.result()
                    if settlement is None:
                        outcomes["lost"] += 1
                    else:
                        settlements.append(announced(settlement, self._options.announced))
                outcomes.update(await self._settle(definition, settlements, holder))
                for task in done:
                    del running[task]
        finally:
            renewal.cancel()
            for task in pending:
                task.cancel()

    async def _settle(
        self, definition: JourneyDefinition, settlements: Sequence[Settlement], holder: UUID
    ) -> list[str]:
        if not settlements:
            return []
        try:
            settled = await self._services.offload.query(
                store.settle_advances,
                self._services.db,
                definition.meta.id,
                settlements,
                holder=holder,
            )
        except DatabaseUnavailable as error:
            # Unknown whether it was written: the lease ends and the replay finds out.
            self._log.warning("journey.settle_lost", journey=definition.meta.id, error=str(error))
            return ["lost"] * len(settlements)
        except DatabaseError as error:
            return await self._settle_apart(definition, settlements, holder, error)
        by_row = {s.enrollment.outbox_id: s for s in settlements}
        for entry in settled:
            wait = by_row[entry.outbox_id].wait
            if entry.is_settled and wait is not None and not entry.is_woken:
                self._wakers.expect(wait.due_at)
        if any(entry.is_woken for entry in settled):
            self._wakers.poke()
        return [by_row[e.outbox_id].status if e.is_settled else "lost" for e in settled]

    async def _settle_apart(
        self,
        definition: JourneyDefinition,
        settlements: Sequence[Settlement],
        holder: UUID,
        error: DatabaseError,
    ) -> list[str]:
        """One member cannot be written: settle each alone, the culprit without its steps."""
        if len(settlements) > 1:
            outcomes: list[str] = []
            for settlement in settlements:
                outcomes += await self._settle(definition, [settlement], holder)
            return outcomes
        culprit = settlements[0]
        if culprit.status == "failed" and not culprit.steps:
            self._log.error("journey.settle_failed", journey=definition.meta.id, error=str(error))
            return ["lost"]
        message = f"the database refused to store this advance: {error.message}"
        self._log.error(
            "journey.failed",
            journey=definition.meta.id,
            state=str(culprit.enrollment.id),
            error=message,
        )
        plain = Settlement(enrollment=culprit.enrollment, status="failed", error=message)
        return await self._settle(definition, [plain], holder)

    async def _keep_lease(
        self, running: dict[asyncio.Task[Settlement | None], Enrollment], holder: UUID
    ) -> None:
        """Renew at half the lease; members whose row somebody else took are stopped."""
        while True:
            await asyncio.sleep(self._options.lease.total_seconds() / 2)
            ids = [enrollment.outbox_id for enrollment in running.values()]
            try:
                held = await self._services.offload.query(
                    outbox.renew, self._services.db, ids, holder=holder, lease=self._options.lease
                )
            except DatabaseError as error:
                self._log.warning("journey.renewal_failed", error=str(error))
                continue
            for task, enrollment in list(running.items()):
                if enrollment.outbox_id in ids and enrollment.outbox_id not in held:
                    task.cancel()
