"""A world in memory that runs the journeys of an app with the real runtime.

Time moves only when told to; events, waits, mails and promised work live in objects. Everything a
journey sees (context, journal, replay, settling) is the code of the worker.
"""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from structlog.testing import capture_logs

from hogsend.email.models import SendRequest, SendResult
from hogsend.email.policy import SendPolicy
from hogsend.errors import InvalidInput
from hogsend.journeys import store
from hogsend.journeys.announce import COMPLETED, FAILED
from hogsend.journeys.effects.connector import Connector, ConnectorCall
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Item
from hogsend.journeys.registry import JourneyRegistry
from hogsend.journeys.runtime.advance import Advance, AdvanceOptions, Wakers
from hogsend.journeys.runtime.passage import Services
from hogsend.journeys.runtime.schedule import SendWindow
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.lifetimes import Closing
from hogsend.kernel.wire_json import JsonValue, dumps
from hogsend.outbox import store as outbox
from hogsend.preferences.lists import default_answers
from hogsend.testing.advance_records import AdvanceRecords
from hogsend.testing.arrivals import Arrivals
from hogsend.testing.connectors import RecordedConnector, SilentConnector
from hogsend.testing.desk import Desk, NoDatabase
from hogsend.testing.diary import Diary
from hogsend.testing.mailbox import Mailbox
from hogsend.testing.memory import Memory
from hogsend.testing.memory_reads import MemoryReads
from hogsend.testing.people import Passenger, PastEvent, Person, Promise, TimelineEntry
from hogsend.testing.template_files import load_templates
from hogsend.testing.turns import LoopBreaker, WatchedCoroutine

if TYPE_CHECKING:
    from hogsend.app import App

BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
_MOST_ADVANCES = 10_000
_NEVER_AWAITED = r".*was never awaited"


class World(Closing):
    """``now`` is where its clock begins, ``journeys`` limits which journeys of the app run.

    ``connectors`` stand in for those of the app; the others do nothing.
    ``timezone`` and ``send_window`` are the defaults of ``ctx.when``; what stops mail is in
    ``policy``. ``logs`` holds the log lines of the runtime and the journeys, ``forgotten`` what was
    written and never awaited, by ``file:line``. Close it when done; it is a context manager too.
    """

    def __init__(
        self,
        app: App,
        *,
        now: datetime = BEGINNING,
        journeys: Sequence[str] | None = None,
        policy: SendPolicy | None = None,
        connectors: Mapping[str, Connector] | None = None,
        timezone: str = "UTC",
        send_window: SendWindow | None = None,
        options: AdvanceOptions | None = None,
    ) -> None:
        if now.tzinfo is None:
            raise InvalidInput(
                "now has no time zone", hint="write datetime(2025, 1, 1, tzinfo=UTC)"
            )
        app.check()
        self.app = app
        self.clock = VirtualClock(now)
        self.memory = Memory(self.clock)
        self.registry = JourneyRegistry(app, journeys)
        self.diary = Diary(self.clock)
        self.arrivals = Arrivals(self.memory, self.registry, self.diary)
        self._records = AdvanceRecords(self.memory, self.registry, self.arrivals, self.diary)
        self.advances = self._records.settled
        self.breaker = LoopBreaker()
        self.logs: list[Mapping[str, Any]] = []
        self.forgotten: dict[str, str] = {}
        self._warned: set[tuple[str, str]] = set()
        self.connectors = self._connect(connectors or {})
        self._categories = default_answers(app.lists)
        self._timezone = timezone
        self._send_window = send_window
        self.mailbox = Mailbox(
            templates=load_templates(app.template_dirs),
            clock=self.clock,
            find_person=self.find_address,
            policy=self._with_lists(policy or SendPolicy()),
            on_mail=self._note_mail,
        )
        self._runner = asyncio.Runner()
        self._advance = Advance(
            self.services(self.answers()),
            options
            or AdvanceOptions(
                announced=frozenset(n for n in (COMPLETED, FAILED) if self.registry.hears(n))
            ),
            wakers=Wakers(poke=lambda: None, expect=lambda due_at: None),
            new_id=uuid7,
        )

    def close(self) -> None:
        """Free the event loop and the watching thread; idempotent."""
        self._runner.close()
        self.breaker.close()

    @property
    def timeline(self) -> list[TimelineEntry]:
        """What happened so far."""
        return self.diary.entries

    def services(self, answers: Mapping[Callable[..., Any], Callable[..., Any]]) -> Services:
        """What the runtime reaches outside itself with, in this world."""
        return Services(
            db=NoDatabase(),
            offload=Desk(answers),
            mailer=self.mailbox,
            clock=self.clock,
            ingest=self.arrivals.ingest,
            connectors=self.connectors,
            timezone=self._timezone,
            send_window=self._send_window,
            categories=self._categories,
        )

    def _connect(self, given: Mapping[str, Connector]) -> dict[str, RecordedConnector]:
        """Those given; for the others of the app something that does nothing."""
        silent = {n: SilentConnector(c.actions) for n, c in self.app.connectors.items()}
        connectors: dict[str, Connector] = {**silent, **given}

        def noting(name: str) -> Callable[[ConnectorCall], None]:
            return lambda call: self._note_call(name, call)

        return {name: RecordedConnector(c, noting(name)) for name, c in connectors.items()}

    def _note_call(self, name: str, call: ConnectorCall) -> None:
        passenger = self._passenger(call.enrollment.id)
        if passenger is not None:
            what = f"{name}.{call.action} {dumps(dict(call.args))}"
            self.diary.note(passenger.person, passenger.journey_id, "told", what)

    def _with_lists(self, policy: SendPolicy) -> SendPolicy:
        """The policy, with the lists of the app that people must have joined."""
        answers, is_opt_in = self._categories, policy.is_opt_in
        return replace(policy, is_opt_in=lambda name: not answers.get(name, not is_opt_in(name)))

    def answers(self) -> dict[Callable[..., Any], Callable[..., Any]]:
        """Store functions of the runtime and what does their work here."""
        return {
            store.begin_advances: self._records.begin_advances,
            store.settle_advances: self._records.settle_advances,
            store.record_steps: self.memory.record_steps,
            outbox.renew: lambda ids, *, holder, lease: list(ids),
            **MemoryReads(self.memory, self.mailbox).answers(),
        }

    def person(self, user_id: str, **fields: Any) -> Person:
        """Somebody by user id, made when they do not exist; ``fields`` are those of Person."""
        return self.memory.person(user_id, **fields)

    def find_address(self, address: str) -> Person | None:
        """Whose address it is."""
        return next((p for p in self.memory.people if p.email.lower() == address), None)

    def tell(
        self,
        person: Person,
        event: str,
        properties: Mapping[str, JsonValue] | None = None,
        *,
        groups: Mapping[str, str] | None = None,
        source: str = "test",
        occurred_at: datetime | None = None,
    ) -> PastEvent:
        """Something happens to somebody now; everything that follows at once has happened after."""
        past = self.arrivals.happen(
            person, event, properties or {}, groups=groups, source=source, occurred_at=occurred_at
        )
        self.drain()
        return past

    def go_to(self, instant: datetime) -> None:
        """Let time pass, stopping at everything that falls due on the way."""
        while (due := self.memory.next_due()) is not None and due <= instant:
            self._set_clock(max(due, self.clock.now()))
            self.memory.wake_due()
            self.drain()
        self._set_clock(instant)

    def drain(self) -> None:
        """Do all work that is due now."""
        for _ in range(_MOST_ADVANCES):
            promise = self._next_promise()
            if promise is None:
                return
            self._runner.run(self._fulfil(promise))
        raise InvalidInput("the journeys of this app keep starting each other without end")

    def watched(self, definition: JourneyDefinition) -> JourneyDefinition:
        """The same journey, with its turns watched for loops that never end."""

        def run(user: Any, ctx: Any) -> Any:
            coroutine = definition.run(user, ctx)
            return WatchedCoroutine(coroutine, self.breaker.turn, self.breaker.turn)

        return replace(definition, run=run)

    def run(self, coroutine: Any) -> Any:
        """Run something on the world's event loop."""
        return self._runner.run(coroutine)

    async def _fulfil(self, promise: Promise) -> None:
        definition = self.registry.find(promise.journey_id)
        assert definition is not None
        item = Item(
            outbox_id=promise.id,
            state_id=promise.passenger_id,
            event_id=promise.event.id if promise.event else None,
        )
        # Kept instead of printed: a traceback with all its locals takes longer than the journey.
        with capture_logs() as logs, self.noticing_forgotten():
            await self._advance.run(self.watched(definition), [item])
        self.logs += logs
        self._note_warnings(logs)

    def _note_warnings(self, logs: Sequence[Mapping[str, Any]]) -> None:
        """What a worker would warn of belongs to the timeline, each once."""
        for line in logs:
            if line.get("log_level") != "warning" or "place" not in line:
                continue
            text = f"{line['event']}: {line.get('error') or line.get('hint')} ({line['place']})"
            passenger = self._passenger(UUID(line["state"])) if "state" in line else None
            if passenger is not None and (passenger.journey_id, text) not in self._warned:
                self._warned.add((passenger.journey_id, text))
                self.diary.note(passenger.person, passenger.journey_id, "warned", text)

    @contextmanager
    def noticing_forgotten(self) -> Iterator[None]:
        """Keeps what Python says about coroutines nobody awaited: they have done nothing."""
        with warnings.catch_warnings(record=True) as said:
            warnings.filterwarnings("always", _NEVER_AWAITED, RuntimeWarning)
            yield
        for warning in said:
            if re.match(_NEVER_AWAITED, str(warning.message)):
                self.forgotten[f"{warning.filename}:{warning.lineno}"] = str(warning.message)
            else:
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )

    def _next_promise(self) -> Promise | None:
        due = (p for p in self.memory.promises.values() if p.due_at <= self.clock.now())
        return min(due, key=lambda p: p.id, default=None)

    def _note_mail(self, request: SendRequest, result: SendResult) -> None:
        passenger = self._passenger(request.journey_state_id)
        person = passenger.person if passenger else self.find_address(request.to.lower())
        if person is not None:
            self.diary.mail(person, passenger.journey_id if passenger else None, request, result)

    def _passenger(self, state_id: UUID | None) -> Passenger | None:
        return self.memory.passengers.get(state_id) if state_id is not None else None

    def _set_clock(self, instant: datetime) -> None:
        ahead = instant - self.clock.now()
        if ahead < timedelta(0):
            raise InvalidInput("time does not run backwards")
        self.clock.advance(ahead)


@contextmanager
def opened(app: App, **options: Any) -> Iterator[World]:
    """A world for a ``with`` block."""
    world = World(app, **options)
    try:
        yield world
    finally:
        world.close()
