"""What api and worker both stand on."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from hogsend.container.metrics import build_metrics, serve_metrics
from hogsend.container.tracing import build_tracing
from hogsend.conversions.registry import ConversionRegistry
from hogsend.db import Database, DatabaseOptions
from hogsend.db.schema_version import SchemaStatus, probe
from hogsend.events.ingest import Ingest
from hogsend.events.traced import build_ingest
from hogsend.journeys.content import load_content
from hogsend.journeys.registry import JourneyRegistry
from hogsend.kernel.clock import Clock, SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.tokens import TokenSigner
from hogsend.kv import Kv
from hogsend.outbox import Nudge
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.app import App
    from hogsend.telemetry.metrics import Metrics
    from hogsend.telemetry.tracing import Tracing


class Closable(Protocol):
    """Holds something until it is closed."""

    def close(self) -> None:
        """Free it; idempotent."""
        ...


ClosableT = TypeVar("ClosableT", bound=Closable)


@dataclass(slots=True, kw_only=True)
class Parts:
    """Settings, content, database, Redis and the way in for events."""

    settings: Settings
    clock: Clock
    app: App
    registry: JourneyRegistry
    conversions: ConversionRegistry
    db: Database
    kv: Kv
    nudge: Nudge
    signer: TokenSigner
    ingest: Ingest
    metrics: Metrics | None
    tracing: Tracing | None
    closing: ExitStack = field(repr=False)

    def closed(self, part: ClosableT) -> ClosableT:
        """Close ``part`` when the container is closed; answers it."""
        self.closing.callback(part.close)
        return part

    def start_metrics(self) -> None:
        """Serve them, if wanted; raises ConfigError when there is no port for it."""
        if self.metrics is not None and self.settings.metrics_port is not None:
            self.closed(serve_metrics(self.metrics, self.settings.metrics_port))

    def read_schema(self) -> SchemaStatus:
        """Both migration tracks; raises DatabaseError."""
        return probe(self.db, client_folder=self.settings.client_migrations_folder)


def lay(settings: Settings, *, threads: int, mode: str) -> Parts:
    """The ground of a process whose ``threads`` each need a connection.

    Raises ConfigError for content that cannot be loaded.
    """
    closing = ExitStack()
    app = load_content(settings)
    registry = JourneyRegistry(app, settings.enabled_journeys)
    conversions = ConversionRegistry(
        app.conversions, default_revenue=settings.default_revenue_conversion
    )
    db = Database(
        DatabaseOptions(
            url=settings.database_url,
            pool_size=min(threads + 2, settings.database_pool_max),
            prepare=settings.db_prepare,
        )
    )
    closing.callback(db.close)
    kv = Kv(settings.redis_url, prefix=settings.redis_prefix)
    closing.callback(kv.close)
    nudge = Nudge(db)
    closing.callback(nudge.close)
    clock = SystemClock()
    metrics = build_metrics(settings, db, kv, clock, mode=mode)
    tracing = build_tracing(settings, mode=mode)
    if tracing is not None:
        closing.callback(tracing.close)
    return Parts(
        settings=settings,
        clock=clock,
        app=app,
        registry=registry,
        conversions=conversions,
        db=db,
        kv=kv,
        nudge=nudge,
        signer=TokenSigner(
            settings.better_auth_secret, previous=settings.better_auth_secret_previous
        ),
        ingest=build_ingest(
            tracing,
            db=db,
            matcher=registry,
            nudge=nudge,
            new_id=uuid7,
            conversions=conversions,
            count=metrics.count_event if metrics else None,
            on_stored=registry.refusal_counter(metrics.count_advance if metrics else None),
        ),
        metrics=metrics,
        tracing=tracing,
        closing=closing,
    )
