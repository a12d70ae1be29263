"""A mail in the ledger, the tracking routes, and the worker's half of tracking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import falcon.testing

from hogsend.db import Database, Query
from hogsend.events.ingest import Ingest
from hogsend.events.matching import Matches
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue
from hogsend.kv.client import Kv
from hogsend.outbox.models import Done, OutboxRow
from hogsend.preferences.pages import Pages
from hogsend.tracking import api as tracking_api
from hogsend.tracking.hits import HitEvents
from hogsend.tracking.identity import IdentityTokens
from hogsend.tracking.models import HitPolicy
from hogsend.web.app import build_app

HOME = "https://hogsend.example.com"
READER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
}
TABLES = (
    "email_sends", "tracked_links", "link_clicks", "email_preferences", "email_suppressions",
    "user_events", "outbox", "contacts", "preference_changes",
)  # fmt: skip


class NoContent:
    """No journeys."""

    def match(self, event: str, properties: Mapping[str, JsonValue]) -> Matches:
        return Matches()


class CountingNudge:
    """Counts pokes."""

    def __init__(self) -> None:
        self.pokes = 0

    def poke(self) -> None:
        self.pokes += 1


@dataclass
class World:
    """Everything around one database."""

    db: Database
    kv: Kv
    policy: HitPolicy = field(default_factory=HitPolicy)
    adds_identity: bool = False

    def __post_init__(self) -> None:
        self.clock = SystemClock()
        self.nudge = CountingNudge()
        self.tokens = IdentityTokens("secret")
        self.ingest = Ingest(db=self.db, matcher=NoContent(), nudge=self.nudge, new_id=uuid7)
        self.hits = HitEvents(self.db, self.ingest, clock=self.clock, policy=self.policy)
        self.api = tracking_api.TrackingApi(
            self.db,
            home_url=HOME,
            clock=self.clock,
            new_id=uuid7,
            ingest=self.ingest,
            nudge=self.nudge,
            kv=self.kv,
            pages=Pages(),
            tokens=self.tokens,
            adds_identity=self.adds_identity,
            policy=self.policy,
        )
        self.client = falcon.testing.TestClient(build_app(tracking_api.routes(self.api)))

    def sql(self, text: str, **params: object) -> list[tuple[Any, ...]]:
        return self.db.run(Query.parse("test", text), **params)

    def send(
        self, links: Sequence[str | tuple[str, str, str]] = (), *, user_id: str | None = "u1"
    ) -> tuple[UUID, list[UUID]]:
        """A sent mail to ada@example.org with links; a link may be (url, event, properties)."""
        send_id = uuid7()
        self.sql(
            "INSERT INTO email_sends (id, user_id, user_email, template_key, from_email, "
            "to_email, intended_to, subject, status, message_id, sent_at) VALUES (:id, :user_id, "
            "'ada@example.org', 'welcome', 'h@example.com', 'ada@example.org', "
            "'ada@example.org', 's', 'sent', :message, now())",
            id=send_id,
            user_id=user_id,
            message=f"m-{send_id}",
        )
        ids = []
        for position, link in enumerate(links):
            url, event, properties = (link, None, None) if isinstance(link, str) else link
            ids.append(uuid4())
            self.sql(
                "INSERT INTO tracked_links (id, email_send_id, position, original_url, event, "
                "event_properties) VALUES (:id, :send, :position, :url, :event, "
                "CAST(:properties AS jsonb))",
                id=ids[-1],
                send=send_id,
                position=position,
                url=url,
                event=event,
                properties=properties,
            )
        return send_id, ids

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> falcon.testing.Result:
        return self.client.simulate_request(
            method,
            path,
            headers=dict(READER if headers is None else headers),
            remote_addr="203.0.113.77",
        )

    def click(
        self, link: UUID, headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> falcon.testing.Result:
        return self.get(f"/v1/t/c/{link}", headers, method=method)

    def work(self) -> None:
        """Deliver everything promised, whatever its due time."""
        rows = [
            OutboxRow(
                id=row[0], topic=row[1], subject=row[2], ref_id=row[3], payload=row[4],
                priority=2, attempts=1,
            )
            for row in self.sql(
                "SELECT id, topic, subject, ref_id, payload FROM outbox "
                "WHERE topic = 'tracking.hit' ORDER BY id"
            )
        ]  # fmt: skip
        for row, delivery in zip(rows, self.hits.deliver(rows), strict=True):
            assert delivery == Done(), delivery
            self.sql("DELETE FROM outbox WHERE id = :id", id=row.id)

    def events(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT event, user_id, properties FROM user_events ORDER BY received_at")

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table that a click could change, except machine_opened_at."""
        return {
            table: self.sql(
                f"SELECT to_jsonb(t) - 'machine_opened_at' - 'updated_at' FROM {table} t "
                "ORDER BY to_jsonb(t)::text"
            )
            for table in TABLES
        }
