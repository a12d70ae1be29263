"""Journeys on a real database, without processes: events in, runs by hand, time by UPDATE."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from hogsend.app import App
from hogsend.db import Database, Executor, Query
from hogsend.email.models import SendRequest, SendResult
from hogsend.events.ingest import Ingest
from hogsend.events.models import Ingested, NewEvent
from hogsend.journeys.announce import COMPLETED, FAILED, JourneyAnnouncer
from hogsend.journeys.effects.connector import Connector
from hogsend.journeys.models import Item
from hogsend.journeys.registry import JourneyRegistry
from hogsend.journeys.runtime.advance import Advance, AdvanceOptions, Wakers
from hogsend.journeys.runtime.offload import Offload
from hogsend.journeys.runtime.passage import Services
from hogsend.journeys.runtime.watch import LoopWatch
from hogsend.journeys.tasks import read_items
from hogsend.journeys.timer import Timer
from hogsend.journeys.topic import JourneyTopic
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.orchestrator.port import RunRequest
from hogsend.outbox import Relay
from hogsend.preferences.lists import default_answers

Effect = Callable[[SendRequest], SendResult | None]


class FakeMailer:
    """Keeps its promise per key as the real one does; ``effects`` happen inside its calls."""

    def __init__(self) -> None:
        self.requests: list[SendRequest] = []
        self.effects: dict[str, Effect] = {}
        self._done: dict[str, SendResult] = {}
        self._lock = threading.Lock()

    def send(self, request: SendRequest) -> SendResult:
        with self._lock:
            self.requests.append(request)
        effect = self.effects.get(request.template)
        answer = effect(request) if effect else None
        result = answer or SendResult(status="sent", send_id=uuid7(), message_id="m")
        assert request.idempotency_key is not None
        with self._lock:
            return self._done.setdefault(request.idempotency_key, result)

    @property
    def delivered(self) -> list[str]:
        """Templates that went out, one entry per key."""
        keys = dict.fromkeys(r.idempotency_key for r in self.requests)
        by_key = {r.idempotency_key: r.template for r in self.requests}
        done = self._done
        return [by_key[k] for k in keys if str(k) in done and done[str(k)].status == "sent"]


class CountingExecutor:
    """Counts the statements of the runtime."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner
        self.names: list[str] = []

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        self.names.append(query.name)
        return self._inner.run(query, **params)


class Silent:
    """Nobody has to be told: tests pump by hand."""

    def poke(self) -> None:
        pass


class Runs:
    """Collects what the topic submits."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []

    def submit(self, runs: Sequence[RunRequest]) -> None:
        self.requests += runs


@dataclass(kw_only=True)
class World:
    """One app over one database."""

    app: App
    database: Database
    lease: timedelta = timedelta(seconds=60)
    attempts: int = 3
    batch: int = 50
    mailer: FakeMailer = field(default_factory=FakeMailer)
    connectors: Mapping[str, Connector] = field(default_factory=dict)
    timezone: str = "UTC"
    watch: LoopWatch = field(default_factory=LoopWatch)

    def __post_init__(self) -> None:
        self.app.check()
        self.registry = JourneyRegistry(self.app, None)
        self.ingest = Ingest(db=self.database, matcher=self.registry, nudge=Silent(), new_id=uuid7)
        self.db = CountingExecutor(self.database)
        self.offload = Offload(query_threads=2, effect_threads=4)
        self.timer = Timer(self.db, poke=lambda: None, clock=SystemClock())
        self.advance = Advance(
            self.services(),
            AdvanceOptions(
                lease=self.lease,
                attempts=self.attempts,
                announced=frozenset(
                    name for name in (COMPLETED, FAILED) if self.registry.hears(name)
                ),
            ),
            wakers=Wakers(poke=lambda: None, expect=self.timer.expect),
            new_id=uuid7,
        )
        self.runs = Runs()
        self.relay = Relay(
            self.database,
            [
                JourneyTopic(registry=self.registry, submitter=self.runs, batch=self.batch),
                JourneyAnnouncer(ingest=self.ingest.ingest),
            ],
            resubmit=timedelta(seconds=60),
        )

    def services(self) -> Services:
        return Services(
            db=self.db,
            offload=self.offload,
            mailer=self.mailer,
            clock=SystemClock(),
            ingest=self.ingest.ingest,
            connectors=self.connectors,
            timezone=self.timezone,
            watch=self.watch,
            categories=default_answers(self.app.lists) if self.app.lists else {},
        )

    def send(self, name: str, user: str = "ada", **properties: Any) -> Ingested:
        """One event of one person, who has an address."""
        return self.ingest.ingest(
            NewEvent(
                name=name,
                external_id=user,
                email=f"{user}@people.test",
                properties=properties,
            )
        )

    def claim(self) -> list[RunRequest]:
        """What the relay hands to the engine now."""
        self.relay.drain_once()
        runs, self.runs.requests = self.runs.requests, []
        return runs

    def work(self, run: RunRequest) -> Coroutine[Any, Any, dict[str, int]]:
        """The engine's side of one run."""
        definition = self.registry.find(run.metadata["journey"])
        assert definition is not None
        return self.advance.run(definition, items_of(run))

    def pump(self) -> dict[str, int]:
        """Move what is due until nothing is; answers outcomes by count."""
        outcomes: dict[str, int] = {}
        while True:
            self.timer.move_due()
            runs = self.claim() or self.claim()  # the first claim may only have made events
            if not runs:
                return outcomes
            for run in runs:
                for outcome, count in asyncio.run(self.work(run)).items():
                    outcomes[outcome] = outcomes.get(outcome, 0) + count

    def sql(self, text: str, **params: object) -> list[tuple[Any, ...]]:
        return self.database.run(Query.parse("test", text), **params)

    def let_time_pass(self) -> None:
        """Every open wait and every put-off row is due now."""
        self.sql("UPDATE waits SET due_at = now() WHERE outcome IS NULL")
        self.sql("UPDATE outbox SET available_at = now() WHERE holder IS NULL")

    def expire_leases(self) -> None:
        """Whoever works on something is too late from now on."""
        self.sql("UPDATE outbox SET available_at = now()")

    def states(self) -> dict[str, int]:
        return dict(self.sql("SELECT status, count(*) FROM journey_states GROUP BY status"))

    def state(self, columns: str = "status") -> tuple[Any, ...]:
        (only,) = self.sql(f"SELECT {columns} FROM journey_states")
        return only

    def skips(self) -> dict[str, int]:
        return dict(self.sql("SELECT reason, times FROM journey_skips"))

    def count(self, table: str) -> int:
        return int(self.sql(f"SELECT count(*) FROM {table}")[0][0])

    def close(self) -> None:
        self.offload.close()


def items_of(run: RunRequest) -> Sequence[Item]:
    return read_items(run.input["items"])


def state_ids(world: World) -> list[UUID]:
    return [row[0] for row in world.sql("SELECT id FROM journey_states ORDER BY created_at")]
