"""Builds the journeys of a worker from settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import structlog

from hogsend.conversions.registry import ConversionRegistry
from hogsend.db import Database
from hogsend.events.traced import build_ingest
from hogsend.journeys import operate
from hogsend.journeys.announce import COMPLETED, FAILED, JourneyAnnouncer
from hogsend.journeys.registry import JourneyRegistry
from hogsend.journeys.runtime.advance import (
    Advance,
    AdvanceObserver,
    AdvanceOptions,
    Wakers,
)
from hogsend.journeys.runtime.offload import Offload
from hogsend.journeys.runtime.passage import Sends, Services
from hogsend.journeys.runtime.scan import scan
from hogsend.journeys.runtime.schedule import SendWindow
from hogsend.journeys.runtime.watch import LoopWatch
from hogsend.journeys.tasks import journey_tasks, reconcile_task
from hogsend.journeys.timer import Timer
from hogsend.journeys.topic import JourneyTopic
from hogsend.kernel.clock import Clock
from hogsend.orchestrator.port import Submitter, Task
from hogsend.preferences.lists import default_answers
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.app import App
    from hogsend.telemetry.tracing import Tracing

_QUERY_THREADS = 4


class _Nudge(Protocol):
    def poke(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Journeys:
    """What a worker runs of the journeys; ``advance`` is the heart, for tests and tools.

    ``tasks`` is one per journey, ``builtin_tasks`` are ours; ``topic`` and ``announcer`` are what
    the relay ships.
    """

    registry: JourneyRegistry
    tasks: Sequence[Task]
    builtin_tasks: Sequence[Task]
    topic: JourneyTopic
    announcer: JourneyAnnouncer
    timer: Timer
    advance: Advance
    offload: Offload
    watch: LoopWatch

    def warn_of_code(self) -> None:
        """Log what the journeys that run here do past the context; see runtime.scan."""
        for journey_id in self.registry.ids:
            definition = self.registry.find(journey_id)
            for problem in scan(definition) if definition is not None else ():
                structlog.get_logger().warning(
                    "journey.cannot_be_replayed",
                    journey=journey_id,
                    place=problem.place,
                    kind=problem.kind,
                    error=problem.message,
                )

    def close(self) -> None:
        """Stop the timer, the watch and the threads of effects."""
        self.timer.stop()
        self.watch.close()
        self.offload.close()


def build_journeys(
    settings: Settings,
    *,
    db: Database,
    app: App,
    mailer: Sends,
    nudge: _Nudge,
    submitter: Submitter,
    clock: Clock,
    new_id: Callable[[], UUID],
    conversions: ConversionRegistry,
    observe: AdvanceObserver | None = None,
    count_repairs: Callable[[str, int], None] | None = None,
    tracing: Tracing | None = None,
) -> Journeys:
    """Everything between the outbox and the authors' functions; starts no thread.

    Raises ConfigError for ENABLED_JOURNEYS that do not exist.
    """
    registry = JourneyRegistry(app, settings.enabled_journeys)
    offload = Offload(
        query_threads=_QUERY_THREADS, effect_threads=max(settings.database_pool_max, 1)
    )
    timer = Timer(db, poke=nudge.poke, clock=clock)
    ingest = build_ingest(
        tracing,
        db=db,
        matcher=registry,
        nudge=nudge,
        new_id=new_id,
        conversions=conversions,
        on_stored=registry.refusal_counter(observe),
    ).ingest
    window = settings.send_window
    watch = LoopWatch()
    services = Services(
        watch=watch,
        db=db,
        offload=offload,
        mailer=mailer,
        clock=clock,
        ingest=ingest,
        timezone=settings.send_timezone,
        connectors=app.connectors,
        categories=default_answers(app.lists),
        send_window=SendWindow(start=window[0], end=window[1]) if window else None,
    )
    advance = Advance(
        services,
        AdvanceOptions(
            lease=timedelta(seconds=settings.lease_seconds),
            attempts=settings.journey_attempts,
            announced=frozenset(
                name
                for name in (COMPLETED, FAILED)
                if registry.hears(name) or conversions.hears(name)
            ),
        ),
        wakers=Wakers(poke=nudge.poke, expect=timer.expect),
        new_id=new_id,
        observe=observe,
        tracing=tracing,
    )

    async def reconcile() -> None:
        repairs = await offload.query(operate.reconcile, db)
        if repairs.total:
            nudge.poke()
        if count_repairs is not None:
            for kind, amount in repairs.by_kind.items():
                count_repairs(kind, amount)

    return Journeys(
        registry=registry,
        tasks=journey_tasks(registry, advance),
        builtin_tasks=[reconcile_task(reconcile)],
        announcer=JourneyAnnouncer(ingest=ingest),
        topic=JourneyTopic(registry=registry, submitter=submitter, batch=settings.advance_batch),
        timer=timer,
        advance=advance,
        offload=offload,
        watch=watch,
    )
