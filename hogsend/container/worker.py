"""What worker mode runs: tasks, the relay with its topics, timer, heartbeat."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend import __version__
from hogsend.container import mail_returns
from hogsend.container.engine import build_orchestrator
from hogsend.container.forgetting import forgetting_tasks
from hogsend.container.mail import build_mailer, build_queue
from hogsend.container.metrics import timed
from hogsend.container.parts import Parts, lay
from hogsend.container.tracing import build_relay, traced
from hogsend.db import Database
from hogsend.db.schema_version import SchemaStatus, probe
from hogsend.journeys.wiring import Journeys, build_journeys
from hogsend.kernel.ids import uuid7
from hogsend.kv.beat import HeartbeatThread
from hogsend.ops.fence import Fence
from hogsend.outbox import Relay
from hogsend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hogsend.orchestrator.port import Orchestrator, Task


@dataclass(slots=True, kw_only=True)
class WorkerContainer:
    """What worker mode runs."""

    parts: Parts
    journeys: Journeys
    builtin_tasks: Sequence[Task]
    orchestrator: Orchestrator
    relay: Relay
    fence: Fence
    heartbeat: HeartbeatThread
    version: str = __version__

    @property
    def settings(self) -> Settings:
        """The settings it was built from."""
        return self.parts.settings

    @property
    def db(self) -> Database:
        """The pool."""
        return self.parts.db

    @property
    def tasks(self) -> list[Task]:
        """Everything the engine may run here."""
        tasks = traced(self.parts.tracing, [*self.journeys.tasks, *self.builtin_tasks])
        return timed(self.parts.metrics, tasks)

    def read_schema(self) -> SchemaStatus:
        """The engine track; raises DatabaseError. The client track never holds a worker up."""
        return probe(self.parts.db)

    def start_shipping(self) -> None:
        """Begin to move due waits and outbox rows; runs can arrive from now on."""
        self.parts.start_metrics()
        self.relay.start()
        self.journeys.timer.start()
        self.journeys.watch.start()
        self.journeys.warn_of_code()
        self.heartbeat.start()

    def request_stop_shipping(self) -> None:
        """Ship nothing new; returns at once."""
        self.relay.request_stop()
        self.journeys.timer.request_stop()

    def stop_shipping(self) -> None:
        """Wait for the threads and say goodbye; idempotent."""
        self.relay.stop()
        self.journeys.timer.stop()
        self.heartbeat.stop()

    def close(self) -> None:
        """Close everything in reverse order; idempotent."""
        self.parts.closing.close()


def build_worker(settings: Settings) -> WorkerContainer:
    """Everything the worker needs. Raises ConfigError for content or engine settings."""
    parts = lay(settings, threads=settings.database_pool_max, mode="worker")
    mailer = build_mailer(parts)
    orchestrator = parts.closed(build_orchestrator(settings, parts.db))
    mail = build_queue(parts, mailer, orchestrator)
    journeys = parts.closed(
        build_journeys(
            settings,
            db=parts.db,
            app=parts.app,
            mailer=mailer,
            nudge=parts.nudge,
            submitter=orchestrator,
            clock=parts.clock,
            new_id=uuid7,
            conversions=parts.conversions,
            observe=parts.metrics.count_advance if parts.metrics else None,
            count_repairs=parts.metrics.count_repairs if parts.metrics else None,
            tracing=parts.tracing,
        )
    )
    fence = Fence(parts.db, new_id=uuid7)
    return WorkerContainer(
        parts=parts,
        journeys=journeys,
        builtin_tasks=[
            *journeys.builtin_tasks,
            *mail.tasks,
            *forgetting_tasks(parts),
        ],
        orchestrator=orchestrator,
        relay=build_relay(
            parts.tracing,
            parts.db,
            [journeys.topic, journeys.announcer, mail.topic, *mail_returns.topics(parts, mailer)],
            resubmit=timedelta(seconds=settings.outbox_resubmit_seconds),
            may_ship=fence.may_ship,
        ),
        fence=fence,
        heartbeat=HeartbeatThread(
            parts.kv,
            instance=f"{socket.gethostname()}:{os.getpid()}",
            clock=parts.clock,
            version=__version__,
        ),
    )
