"""The api with a tiny matcher in place of content; also run as a process by the tests."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hogsend.access import store as access_store
from hogsend.access.cache import ApiKeyCache
from hogsend.access.guards import Guards
from hogsend.db import Database, DatabaseOptions
from hogsend.db.schema_version import SchemaStatus
from hogsend.events import api as events_api
from hogsend.events.batching import BatchingIngest
from hogsend.events.ingest import Ingest
from hogsend.events.matching import Matches
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.tokens import TokenSigner
from hogsend.kernel.wire_json import JsonValue
from hogsend.kv import Kv
from hogsend.ops import api as ops_api
from hogsend.ops.health import Health
from hogsend.ops.probes import LiveProbes
from hogsend.outbox import Nudge
from hogsend.settings import Settings, load
from hogsend.web.route import PrefixGuard, Route


class OneJourney:
    """Starts ``welcome`` on ``signup``; everything else means nothing."""

    def match(self, event: str, properties: Mapping[str, JsonValue]) -> Matches:
        return Matches(starts=("welcome",)) if event == "signup" else Matches()


@dataclass(kw_only=True)
class Api:
    """Implements what ``modes.api`` wants of a container."""

    settings: Settings
    db: Database
    keys: ApiKeyCache
    nudge: Nudge
    kv: Kv
    health: Health
    probes: LiveProbes
    routes: Sequence[Route]
    prefix_guards: Sequence[PrefixGuard]
    ready_fields: Mapping[str, object]

    def read_schema(self) -> SchemaStatus:
        return self.probes.schema()

    def close(self) -> None:
        self.keys.close()
        self.nudge.close()
        self.kv.close()
        self.db.close()


def build(settings: Settings) -> Api:
    clock = SystemClock()
    db = Database(
        DatabaseOptions(
            url=settings.database_url,
            pool_size=settings.database_pool_max,
            connect_timeout=timedelta(seconds=2),
            acquire_timeout=timedelta(seconds=2),
        )
    )
    kv = Kv(settings.redis_url, prefix=settings.redis_prefix)
    keys = ApiKeyCache(db, clock=clock)
    guards = Guards(keys, clock=clock, admin_api_key=settings.admin_api_key)
    nudge = Nudge(db)
    ingest = Ingest(db=db, matcher=OneJourney(), nudge=nudge, new_id=uuid7)
    probes = LiveProbes(db=db, kv=kv, clock=clock, client_folder=settings.client_migrations_folder)
    health = Health(probes, clock=clock, started_at=clock.now())
    events = events_api.EventsApi(
        sink=BatchingIngest(ingest) if settings.ingest_batch else ingest,
        bulk=ingest,
        signer=TokenSigner(settings.better_auth_secret),
        clock=clock,
        is_suspended=settings.ingest_suspended,
    )
    return Api(
        settings=settings,
        db=db,
        keys=keys,
        nudge=nudge,
        kv=kv,
        health=health,
        probes=probes,
        routes=[
            *events_api.routes(events, guards),
            *ops_api.routes(health, needs_setup=lambda: not access_store.has_admins(db)),
        ],
        prefix_guards=[PrefixGuard(prefix="/v1/admin/", guard=guards.require_scope("full-admin"))],
        ready_fields={"journeys": 1},
    )


def settings_for(
    database_url: str, redis_url: str, overrides: Mapping[str, str] | None = None
) -> Settings:
    environ: dict[str, Any] = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BETTER_AUTH_SECRET": "a secret that is long enough for tests",
        "HOGSEND_ORCHESTRATOR": "local",
        "HOGSEND_DATABASE_WAIT_SECONDS": "0",
        **(overrides or {}),
    }
    return load(environ, mode="api")


def main() -> int:
    from hogsend.modes import api

    code = api.run(load(dict(os.environ), mode="api"), build)
    print("threads left:", [t.name for t in threading.enumerate() if not t.daemon][1:], flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
