"""The composition root: builds a process from its settings, in one readable order.

Building does no I/O: connections open on first use, threads start when told. ``close`` undoes it
in reverse.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from hogsend import __version__
from hogsend.db import Database, DatabaseOptions
from hogsend.db.schema_version import SchemaStatus, probe
from hogsend.events.ingest import Ingest
from hogsend.journeys.content import load_app
from hogsend.journeys.registry import JourneyRegistry
from hogsend.kernel.clock import Clock, SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kv import Kv
from hogsend.outbox import Nudge, Relay
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.access.guards import Guards, KeyLookup
    from hogsend.journeys.wiring import Journeys
    from hogsend.kv.beat import HeartbeatThread
    from hogsend.ops.health import Health
    from hogsend.orchestrator.port import Orchestrator
    from hogsend.web.route import PrefixGuard, Route



class _Closable(Protocol):
    def close(self) -> None: ...


ClosableT = TypeVar("ClosableT", bound=_Closable)

# One local worker per database; the key is arbitrary but fixed.
LOCAL_WORKER_LOCK = 4812010


@dataclass(slots=True, kw_only=True)
class ApiContainer:
    """What api mode serves."""

    settings: Settings
    db: Database
    health: Health
    routes: Sequence[Route]
    prefix_guards: Sequence[PrefixGuard]
    ready_fields: Mapping[str, object]
    read_schema: Callable[[], SchemaStatus]
    _closing: ExitStack = field(repr=False)

    def close(self) -> None:
        """Close everything in reverse order; idempotent."""
        self._closing.close()


@dataclass(slots=True, kw_only=True)
class WorkerContainer:
    """What worker mode runs."""

    settings: Settings
    db: Database
    journeys: Journeys
    orchestrator: Orchestrator
    relay: Relay
    heartbeat: HeartbeatThread
    read_schema: Callable[[], SchemaStatus]
    version: str = __version__
    _closing: ExitStack = field(repr=False)

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
        self._closing.close()


def build_api(settings: Settings) -> ApiContainer:
    """Everything the api needs. Raises ConfigError for content that cannot be loaded."""
    from hogsend.access.cache import ApiKeyCache
    from hogsend.access.limits import RateRule
    from hogsend.access.store import has_admins
    from hogsend.events import api as events_api
    from hogsend.events.batching import BatchingIngest
    from hogsend.kernel.tokens import TokenSigner
    from hogsend.ops import api as ops_api
    from hogsend.ops.health import Health
    from hogsend.ops.probes import LiveProbes

    closing = ExitStack()
    clock = SystemClock()
    app = load_app(settings.app, settings.content_dir)
    registry = JourneyRegistry(app, settings.enabled_journeys)
    db = _database(settings, closing, threads=settings.api_threads)
    kv = _kv(settings, closing)
    nudge = _closed(closing, Nudge(db))
    keys = _closed(closing, ApiKeyCache(db, clock=clock))
    guards = _guards(settings, keys, kv=kv, clock=clock)
    signer = TokenSigner(
        settings.better_auth_secret, previous=settings.better_auth_secret_previous
    )
    ingest = Ingest(db=db, matcher=registry, nudge=nudge, new_id=uuid7)

    def read_schema() -> SchemaStatus:
        return probe(db, client_folder=settings.client_migrations_folder)

    health = Health(
        LiveProbes(db=db, kv=kv, clock=clock, read_schema=read_schema),
        clock=clock,
        started_at=clock.now(),
    )
    events = events_api.EventsApi(
        sink=BatchingIngest(ingest) if settings.ingest_batch else ingest,
        bulk=ingest,
        signer=signer,
        clock=clock,
        is_suspended=settings.ingest_suspended,
    )
    return ApiContainer(
        settings=settings,
        db=db,
        health=health,
        routes=[
            *ops_api.routes(health, needs_setup=lambda: not has_admins(db)),
            *events_api.routes(
                events,
                guards,
                limit=RateRule(name="events", limit=settings.events_per_minute, is_large=True),
                address_limit=RateRule(
                    name="browser-events",
                    limit=settings.browser_events_per_minute,
                    is_large=True,
                ),
            ),
        ],
        prefix_guards=guards.prefixes(),
        ready_fields={
            "engineVersion": __version__,
            "journeys": len(registry.ids),
            "buckets": 0,
        },
        read_schema=read_schema,
        _closing=closing,
    )


def build_worker(settings: Settings) -> WorkerContainer:
    """Everything the worker needs. Raises ConfigError for content or engine settings."""
    from hogsend.email.wiring import build_mailer
    from hogsend.journeys.wiring import build_journeys
    from hogsend.kv.beat import HeartbeatThread

    closing = ExitStack()
    clock = SystemClock()
    app = load_app(settings.app, settings.content_dir)
    db = _database(settings, closing, threads=settings.database_pool_max)
    kv = _kv(settings, closing)
    nudge = _closed(closing, Nudge(db))
    mailer = _closed(
        closing,
        build_mailer(
            settings,
            db,
            template_dirs=app.template_dirs,
            clock=clock,
            new_id=uuid7,
        ),
    )
    orchestrator = _closed(closing, _orchestrator(settings, db))
    journeys = _closed(
        closing,
        build_journeys(
            settings,
            db=db,
            app=app,
            mailer=mailer,
            nudge=nudge,
            submitter=orchestrator,
            clock=clock,
            new_id=uuid7,
        ),
    )
    return WorkerContainer(
        settings=settings,
        db=db,
        journeys=journeys,
        orchestrator=orchestrator,
        relay=Relay(
            db,
            [journeys.topic],
            resubmit=timedelta(seconds=settings.outbox_resubmit_seconds),
        ),
        heartbeat=HeartbeatThread(
            kv, instance=f"{socket.gethostname()}:{os.getpid()}", clock=clock
        ),
        read_schema=lambda: probe(db),
        _closing=closing,
    )


def _guards(settings: Settings, keys: KeyLookup, *, kv: Kv, clock: Clock) -> Guards:
    from hogsend.access.guards import Guards
    from hogsend.access.limits import FailedAttempts, RateLimits
    from hogsend.kv.quota import Quota
    from hogsend.kv.rate_limit import RateLimiter

    is_counted = settings.node_env != "test"
    limiter = RateLimiter(kv, clock=clock)
    return Guards(
        keys,
        clock=clock,
        admin_api_key=settings.admin_api_key,
        limits=RateLimits(limiter, Quota(kv, clock=clock)) if is_counted else None,
        failures=FailedAttempts(
            limiter if is_counted else None, limit=settings.failed_auth_per_minute
        ),
    )


def _database(settings: Settings, closing: ExitStack, *, threads: int) -> Database:
    options = DatabaseOptions(
        url=settings.database_url,
        pool_size=min(threads + 2, settings.database_pool_max),
        prepare=settings.db_prepare,
    )
    return _closed(closing, Database(options))


def _kv(settings: Settings, closing: ExitStack) -> Kv:
    return _closed(closing, Kv(settings.redis_url, prefix=settings.redis_prefix))


def _orchestrator(settings: Settings, db: Database) -> Orchestrator:
    drain = timedelta(seconds=settings.shutdown_timeout_seconds)
    if settings.orchestrator == "local":
        from hogsend.db.locks import AdvisoryLock
        from hogsend.orchestrator.local import LocalOptions, LocalOrchestrator

        return LocalOrchestrator(
            LocalOptions(slots=settings.hatchet_worker_slots, drain_timeout=drain),
            AdvisoryLock(db.options, LOCAL_WORKER_LOCK),
        )
    from hogsend.orchestrator.hatchet import HatchetOrchestrator
    from hogsend.orchestrator.hatchet_options import HatchetOptions

    return HatchetOrchestrator(
        HatchetOptions(
            token=settings.hatchet_client_token or "",
            host_port=settings.hatchet_client_host_port,
            server_url=settings.hatchet_client_api_url,
            namespace=settings.hatchet_client_namespace or "",
            tls_strategy=settings.hatchet_client_tls_strategy,
            tls_cert_file=settings.hatchet_client_tls_cert_file,
            tls_key_file=settings.hatchet_client_tls_key_file,
            tls_root_ca_file=settings.hatchet_client_tls_root_ca_file,
            tls_server_name=settings.hatchet_client_tls_server_name,
            worker_name=settings.hatchet_worker_name,
            slots=settings.hatchet_worker_slots,
            drain_timeout=drain,
            engine_lost_after=timedelta(seconds=settings.engine_lost_seconds),
        )
    )


def _closed(closing: ExitStack, part: ClosableT) -> ClosableT:
    """Close ``part`` when the container is closed."""
    closing.callback(part.close)
    return part
