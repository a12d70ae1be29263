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
from hogsend.container.parts import Parts, lay
from hogsend.db import Database
from hogsend.db.schema_version import SchemaStatus, probe
from hogsend.email.wiring import build_mailer
from hogsend.journeys.wiring import Journeys, build_journeys
from hogsend.kernel.ids import uuid7
from hogsend.kv.beat import HeartbeatThread
from hogsend.outbox import Relay
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.email.mailer import Mailer
    from hogsend.orchestrator.port import Orchestrator


@dataclass(slots=True, kw_only=True)
class WorkerContainer:
    """What worker mode runs."""

    parts: Parts
    journeys: Journeys
    orchestrator: Orchestrator
    relay: Relay
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

    def read_schema(self) -> SchemaStatus:
        """The engine track; raises DatabaseError. The client track never holds a worker up."""
        return probe(self.parts.db)

    def start_shipping(self) -> None:
        """Begin to move due waits and outbox rows; runs can arrive from now on."""
        self.relay.start()
        self.journeys.timer.start()
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
    parts = lay(settings, threads=settings.database_pool_max)
    mailer = _build_mailer(parts)
    orchestrator = parts.closed(build_orchestrator(settings, parts.db))
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
        )
    )
    return WorkerContainer(
        parts=parts,
        journeys=journeys,
        orchestrator=orchestrator,
        relay=Relay(
            parts.db,
            [journeys.topic, *mail_returns.topics(parts)],
            resubmit=timedelta(seconds=settings.outbox_resubmit_seconds),
        ),
        heartbeat=HeartbeatThread(
            parts.kv,
            instance=f"{socket.gethostname()}:{os.getpid()}",
            clock=parts.clock,
            version=__version__,
        ),
    )


def _build_mailer(parts: Parts) -> Mailer:
    return parts.closed(
        build_mailer(
            parts.settings,
            parts.db,
            template_dirs=parts.app.template_dirs,
            clock=parts.clock,
            new_id=uuid7,
            urls=mail_returns.build_links(parts),
            decorators=[mail_returns.build_rewriter(parts)],
            is_opt_in=mail_returns.build_lists(parts).is_opt_in,
        )
    )
