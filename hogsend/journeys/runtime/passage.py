"""What one replay knows and may do: the ground the context and the effects stand on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn, Protocol

import structlog

from hogsend.db import Executor
from hogsend.email.models import SendRequest, SendResult
from hogsend.events.models import Ingested, NewEvent
from hogsend.journeys import store
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Enrollment, LogEntry, NewWait, Step
from hogsend.journeys.runtime.calls import Calls
from hogsend.journeys.runtime.caught import FAILURE, failure_json, recorded_error
from hogsend.journeys.runtime.journal import Journal
from hogsend.journeys.runtime.offload import Offload
from hogsend.journeys.runtime.schedule import SendWindow
from hogsend.journeys.runtime.signals import (
    CodeDrift,
    JourneyExit,
    Later,
    Lost,
    Pause,
    suspend,
)
from hogsend.journeys.runtime.stored import as_stored
from hogsend.journeys.runtime.watch import LoopWatch
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonValue

if TYPE_CHECKING:
    from hogsend.journeys.effects.connector import Connector


class Sends(Protocol):
    """The mailer, as journeys see it; see hogsend.email.mailer.Mailer.send."""

    def send(self, request: SendRequest) -> SendResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What journeys reach outside themselves with.

    ``ingest`` stores an event; ``timezone`` and ``send_window`` are those of people and schedules
    that name none. ``categories`` are those that exist, with what holds for people who never
    answered; empty: any may be asked for.
    """

    db: Executor
    offload: Offload
    mailer: Sends
    clock: Clock
    ingest: Callable[[NewEvent], Ingested] | None = None
    connectors: Mapping[str, Connector] = field(default_factory=dict)
    watch: LoopWatch = field(default_factory=LoopWatch)
    timezone: str = "UTC"
    send_window: SendWindow | None = None
    categories: Mapping[str, bool] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Passage:
    """One replay of one enrollment. Event-loop only.

    ``site`` names the place in the function for effects: the label of the last wait or
    checkpoint. ``now`` is the journal's clock: when the last wait was resolved.
    ``is_computing``: the function of ``ctx.once`` runs.
    """

    enrollment: Enrollment
    definition: JourneyDefinition
    services: Services
    journal: Journal
    now: datetime
    skew: timedelta
    site: str | None = None
    node: str | None = None
    exiting: JourneyExit | None = None
    is_computing: bool = False
    logs: list[LogEntry] = field(default_factory=list)
    variants: dict[str, str] = field(default_factory=dict)
    drift: CodeDrift | None = None
    calls: Calls = field(default_factory=Calls.start)
    _caught: tuple[str, Exception] | None = None
    _known: Exception | None = None
    _warned: set[str] = field(default_factory=set)

    @classmethod
    def start(
        cls, enrollment: Enrollment, definition: JourneyDefinition, services: Services
    ) -> Passage:
        """At the first line of the function."""
        return cls(
            enrollment=enrollment,
            definition=definition,
            services=services,
            journal=Journal(enrollment.steps, enrollment.wait),
            now=enrollment.created_at,
            skew=enrollment.began_at - services.clock.now(),
        )

    def real_now(self) -> datetime:
        """The database's clock, as far as this process can tell."""
        return self.services.clock.now() + self.skew

    def enter(self, what: str) -> None:
        """Every call of the context passes here; raises for code that cannot be replayed."""
        if self.exiting is not None and not self.calls.is_closed:
            raise self.exiting
        self.calls.enter(what)
        self.keep_caught()

    def offer(self, key: str, error: Exception) -> None:
        """An error of somebody else's code is on its way to the function, which may catch it."""
        self._caught = (key, error)

    def raise_recorded(self, step: Step) -> None:
        """Raise what the function caught at this place before, if a step says so."""
        error = recorded_error(step)
        if error is not None:
            self._known = error
            raise error

    def may_be_caught(self, error: Exception) -> bool:
        """True for somebody else's error, new or recorded; every other one decides the advance."""
        return error is self._known or (self._caught is not None and error is self._caught[1])

    def keep_caught(self) -> None:
        """The function goes on behind an offered error, so it has caught it: a replay must too."""
        if self._caught is not None:
            key, error = self._caught
            self._caught = None
            self.keep(key, FAILURE, failure_json(error))

    async def record(
        self, kind: str, label: str, compute: Callable[[], Awaitable[JsonValue]]
    ) -> JsonValue:
        """The recorded value of this place, or the computed one, recorded."""
        key = self.journal.next_key(kind, label)
        step = self.find(key)
        if step is None:
            step = self.keep(key, kind, await compute())
        return step.value

    def find(self, key: str) -> Step | None:
        """The recorded step of a key; notices code that has left the recorded path."""
        step = self.journal.find(key)
        if step is None:
            self.compare(f"the code comes to {key!r}")
        return step

    def compare(self, found: str) -> None:
        """What the code does now is new: then nothing recorded may be left over."""
        left = self.journal.find_unvisited()
        if left is None or self.drift is not None:
            return
        is_same = self.enrollment.version_hash == self.definition.version_hash
        self.drift = CodeDrift(
            f"{found}, the journal goes on with {left.key!r}",
            hint="the code is that of the entry, so it decides by something that is not recorded, "
            "such as the clock or random numbers"
            if is_same
            else "the code has changed since the person entered",
        )
        self.warn_once("journey.drift", error=str(self.drift))
        policy = self.definition.meta.on_drift
        if policy == "exit":
            self.exiting = JourneyExit(f"code_drift: {self.drift.message}")
            raise self.exiting
        if policy == "finish_old":
            raise self.drift

    def warn_once(self, event: str, **fields: str) -> None:
        """One log line per replay."""
        if event not in self._warned:
            self._warned.add(event)
            structlog.get_logger().warning(
                event,
                journey=self.definition.meta.id,
                state=str(self.enrollment.id),
                place=self.definition.place,
                **fields,
            )

    def keep(self, key: str, kind: str, value: JsonValue) -> Step:
        """Record a value; raises JourneyError for what JSON cannot hold.

        The step holds what a replay will read: a tuple has become a list by then.
        """
        step = Step(key=key, kind=kind, value=as_stored(f"step {key!r}", value))
        self.journal.add(step)
        return step

    async def persist(self) -> None:
        """Store what influenced the effect that comes next; ends the advance when it is lost."""
        if not self.journal.is_volatile:
            return
        fresh, logs = list(self.journal.fresh), list(self.logs)
        is_ours = await self.services.offload.query(
            store.record_steps,
            self.services.db,
            self.enrollment.id,
            generation=self.enrollment.generation,
            steps=fresh,
            first_seq=self.journal.next_seq,
            logs=logs,
        )
        if not is_ours:
            await suspend(Lost())
        self.journal.mark_stored(len(fresh))
        del self.logs[: len(logs)]

    async def pause(self, wait: NewWait) -> NoReturn:
        """End the advance until the wait is resolved."""
        await suspend(Pause(wait))

    async def retry_later(self, after_seconds: float, reason: str) -> NoReturn:
        """End the advance and do it again."""
        await suspend(Later(after_seconds, reason))

    def log(self, action: str, to_node: str, **detail: JsonValue) -> None:
        """A line for people; written with the steps at hand."""
        self.logs.append(
            LogEntry(action=action, from_node=self.node, to_node=to_node, detail=detail or None)
        )
