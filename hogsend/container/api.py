"""What api mode serves: every slice's routes, in one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hogsend import __version__
from hogsend.access.audit import AuditLog, AuditTrail
from hogsend.access.cache import ApiKeyCache
from hogsend.access.guards import Guards
from hogsend.access.limits import FailedAttempts, RateLimits, RateRule
from hogsend.access.store import has_admins
from hogsend.container.engine import describe_engine
from hogsend.container.parts import Parts, lay
from hogsend.db import Database
from hogsend.db.schema_version import SchemaStatus
from hogsend.events import api as events_api
from hogsend.events.batching import BatchingIngest
from hogsend.groups import api as groups_api
from hogsend.idempotency import Replay
from hogsend.kernel.ids import uuid7
from hogsend.kv import heartbeat
from hogsend.kv.quota import Quota
from hogsend.kv.rate_limit import RateLimiter
from hogsend.ops import api as ops_api
from hogsend.ops.health import Health
from hogsend.ops.probes import LiveProbes
from hogsend.outbound.promises import Promises
from hogsend.preferences.wiring import Lists, build_lists
from hogsend.settings import Settings
from hogsend.web.docs_api import with_docs
from hogsend.web.edge import RequestObserver
from hogsend.web.http import Request, Response
from hogsend.web.route import PrefixGuard, Route

if TYPE_CHECKING:
    from hogsend.access.wiring import Signing
    from hogsend.telemetry.tracing import Tracing


@dataclass(slots=True, kw_only=True)
class ApiContainer:
    """What api mode serves."""

    parts: Parts
    health: Health
    routes: Sequence[Route]
    prefix_guards: Sequence[PrefixGuard]

    @property
    def settings(self) -> Settings:
        """The settings it was built from."""
        return self.parts.settings

    @property
    def db(self) -> Database:
        """The pool."""
        return self.parts.db

    @property
    def ready_fields(self) -> Mapping[str, object]:
        """Counts and versions for the ready line."""
        return {
            "engineVersion": __version__,
            "journeys": len(self.parts.registry.ids),
            "buckets": 0,
        }

    @property
    def observe_request(self) -> RequestObserver | None:
        """Told about every request, when metrics are served."""
        return self.parts.metrics.observe_request if self.parts.metrics else None

    @property
    def tracer(self) -> Tracing | None:
        """Makes spans of requests, when traces are collected."""
        return self.parts.tracing

    def start_metrics(self) -> None:
        """Serve metrics, if wanted."""
        self.parts.start_metrics()

    def read_schema(self) -> SchemaStatus:
        """Both migration tracks; raises DatabaseError."""
        return self.parts.read_schema()

    def close(self) -> None:
        """Close everything in reverse order; idempotent."""
        self.parts.closing.close()


def build_api(settings: Settings) -> ApiContainer:
    """Everything the api needs. Raises ConfigError for content that cannot be loaded."""
    from hogsend.access.wiring import build_signing
    from hogsend.container.mail import build_mailer, build_reset_mails, email_routes
    from hogsend.container.mail_returns import operator_routes, public_routes

    parts = lay(settings, threads=settings.api_threads, mode="api")
    guards = _build_guards(parts)
    mailer = build_mailer(parts)
    audit = parts.closed(AuditLog(parts.db, clock=parts.clock))
    signing = build_signing(
        settings,
        parts.db,
        kv=parts.kv,
        clock=parts.clock,
        mail=build_reset_mails(parts, mailer),
        audit=audit,
    )
    health = _build_health(parts)
    lists = _build_lists(parts, guards)
    replay = Replay(parts.db)
    served = [
        *ops_api.routes(health, needs_setup=lambda: not has_admins(parts.db)),
        *_event_routes(parts, guards, lists),
        *replay.over(_contact_routes(parts, guards, lists)),
        *replay.over(lists.routes),
        *replay.over(groups_api.routes(groups_api.GroupsApi(db=parts.db), guards)),
        *replay.compare(email_routes(parts, guards, mailer)),
        *public_routes(parts, registry=lists.registry, writer=lists.writer),
        *operator_routes(parts, guards),
        *_admin_routes(parts, guards, signing),
        *_studio_routes(parts, health, signing),
        *_metrics_routes(parts, guards, signing),
    ]
    served = AuditTrail(audit).over(served)
    if not settings.is_production:
        served = with_docs(served, server_url=settings.api_public_url)
    return ApiContainer(parts=parts, health=health, routes=served, prefix_guards=guards.prefixes())


def _build_guards(parts: Parts) -> Guards:
    settings = parts.settings
    is_counted = settings.node_env != "test"
    limiter = RateLimiter(parts.kv, clock=parts.clock)
    return Guards(
        parts.closed(ApiKeyCache(parts.db, clock=parts.clock)),
        clock=parts.clock,
        admin_api_key=settings.admin_api_key,
        limits=RateLimits(limiter, Quota(parts.kv, clock=parts.clock)) if is_counted else None,
        failures=FailedAttempts(
            limiter if is_counted else None, limit=settings.failed_auth_per_minute
        ),
    )


def _build_health(parts: Parts) -> Health:
    probes = LiveProbes(db=parts.db, kv=parts.kv, clock=parts.clock, read_schema=parts.read_schema)
    return Health(probes, clock=parts.clock, started_at=parts.clock.now())


def _build_lists(parts: Parts, guards: Guards) -> Lists:
    return build_lists(
        parts.settings,
        db=parts.db,
        topics=parts.app.lists,
        guards=guards,
        signer=parts.signer,
        clock=parts.clock,
        new_id=uuid7,
        announcer=Promises(parts.clock),
    )


def _contact_routes(parts: Parts, guards: Guards, lists: Lists) -> list[Route]:
    from hogsend.contacts import api as contacts_api
    from hogsend.contacts.wiring import build_people

    settings = parts.settings
    api = contacts_api.ContactsApi(
        people=build_people(
            settings,
            parts.db,
            signer=parts.signer,
            clock=parts.clock,
            announcer=Promises(parts.clock),
        ),
        signer=parts.signer,
        clock=parts.clock,
        lists=lists.contact_lists,
        exposed_traits=settings.contact_traits,
        exposes_email="email" in settings.contact_traits,
    )
    return contacts_api.routes(
        api,
        guards,
        limit=RateRule(name="contacts", limit=settings.events_per_minute, is_large=True),
    )


def _event_routes(parts: Parts, guards: Guards, lists: Lists) -> list[Route]:
    settings = parts.settings
    events = events_api.EventsApi(
        sink=BatchingIngest(parts.ingest) if settings.ingest_batch else parts.ingest,
        bulk=parts.ingest,
        signer=parts.signer,
        clock=parts.clock,
        lists=lists.contact_lists,
        is_suspended=settings.ingest_suspended,
        is_logged=settings.log_level == "debug",
    )
    return events_api.routes(
        events,
        guards,
        limit=RateRule(name="events", limit=settings.events_per_minute, is_large=True),
        address_limit=RateRule(
            name="browser-events", limit=settings.browser_events_per_minute, is_large=True
        ),
    )


def _admin_routes(parts: Parts, guards: Guards, signing: Signing) -> list[Route]:
    """For operators: a key with ``full-admin``, or a signed-in administrator."""
    from hogsend.access import keys_api
    from hogsend.contacts import admin as contacts_admin
    from hogsend.conversions import admin as conversions_admin

    guard = signing.guard(guards, limits=guards.limits)
    return [
        *keys_api.routes(keys_api.KeysApi(db=parts.db, clock=parts.clock), guard),
        *contacts_admin.routes(contacts_admin.ContactsAdmin(db=parts.db), guard),
        *conversions_admin.routes(
            conversions_admin.ConversionsAdmin(
                db=parts.db, clock=parts.clock, ids=parts.conversions.ids
            ),
            guard,
        ),
    ]


def _studio_routes(parts: Parts, health: Health, signing: Signing) -> list[Route]:
    """Sign-in and Studio."""
    from hogsend.access import auth_api
    from hogsend.studio import wiring as studio

    settings = parts.settings
    return [
        *auth_api.routes(signing.api),
        *studio.routes(
            studio.StudioParts(
                db=parts.db,
                health=health,
                sessions=signing.sessions,
                resets=signing.resets,
                sign_in_flow=signing.flow,
                cookie=signing.cookie,
                origins=signing.origins,
                secret=settings.better_auth_secret,
                has_mail=signing.has_mail,
                has_admins=lambda: has_admins(parts.db),
                read_workers=lambda: heartbeat.read(parts.kv, now=parts.clock.now()),
                engine=describe_engine(settings),
                mail_directory=settings.outbox_dir,
            )
        ),
    ]


def _metrics_routes(parts: Parts, guards: Guards, signing: Signing) -> list[Route]:
    """``GET /metrics`` of this process for administrators, beside the open port of its own."""
    metrics = parts.metrics
    if metrics is None:
        return []

    def get_metrics(req: Request, resp: Response) -> None:
        resp.data = metrics.render()
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
        resp.set_header("Cache-Control", "no-store")

    guard = signing.guard(guards, limits=None)
    return [Route(method="GET", path="/metrics", handler=get_metrics, guard=guard)]
