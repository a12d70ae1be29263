"""The world of the test kit on real PostgreSQL: time passes by moving every timestamp back.

Journeys, ingest and mailer are the real ones; only the provider is not. Wall-clock times cannot be
compared: the database's clock stands still while time passes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hogsend.app import App
from hogsend.db import Database, Query
from hogsend.email.mailer import Mailer, MailerOptions
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.policy import SendPolicy
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.events.ingest import Ingest
from hogsend.events.models import NewEvent
from hogsend.journeys import store
from hogsend.journeys.announce import COMPLETED, FAILED, TOPIC, JourneyAnnouncer
from hogsend.journeys.effects.connector import Connector
from hogsend.journeys.models import Item
from hogsend.journeys.registry import JourneyRegistry
from hogsend.journeys.runtime.advance import Advance, AdvanceOptions, Wakers
from hogsend.journeys.runtime.offload import Offload
from hogsend.journeys.tasks import read_items
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue, dumps, iso_z, loads
from hogsend.outbox import Done, OutboxRow
from hogsend.preferences.lists import ListRegistry
from hogsend.testing.people import Person
from hogsend.testing.world import World
from tests.fakes.mail import FakeProvider, build

_COLUMNS = Query.parse(
    "columns",
    """SELECT table_name, string_agg(format('%I = %I - make_interval(secs => $1)', column_name,
                                            column_name), ', ')
       FROM information_schema.columns
       JOIN information_schema.tables USING (table_schema, table_name)
       WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
         AND data_type = 'timestamp with time zone'
         AND (table_name LIKE 'journey%'
              OR table_name IN ('waits', 'outbox', 'user_events', 'email_sends'))
       GROUP BY table_name""",
)
_DUE = Query.parse(
    "due",
    """SELECT id, payload FROM outbox WHERE topic = 'journey.advance' AND available_at <= now()
       ORDER BY id LIMIT 1""",
)
_ANNOUNCED = Query.parse(
    "announced", "DELETE FROM outbox WHERE topic = 'journey.announce' RETURNING id, payload"
)
_NEXT = Query.parse(
    "next",
    """SELECT extract(epoch FROM least((SELECT min(due_at) FROM waits WHERE outcome IS NULL),
                                       (SELECT min(available_at) FROM outbox
                                        WHERE topic = 'journey.advance' AND parked_at IS NULL))
                                 - now())::float8""",
)
_STATES = Query.parse(
    "states",
    """SELECT s.journey_id, s.status, s.exit_reason,
              (SELECT coalesce(jsonb_agg(p.key ORDER BY p.seq), '[]') FROM journey_steps p
               WHERE p.state_id = s.id)
       FROM journey_states s WHERE s.user_id = :user_id ORDER BY s.created_at, s.journey_id""",
)
_SKIPS = Query.parse(
    "skips",
    "SELECT journey_id, reason, times FROM journey_skips WHERE user_id = :user_id ORDER BY 1, 2",
)


_FORGET = Query.parse(
    "forget",
    """TRUNCATE journey_states, journey_steps, journey_logs, journey_skips, waits, outbox,
                user_events, email_sends, contacts, groups CASCADE""",
)
# Instants inside JSON, which the journal and the outcome of a wait hold.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_NOTES = Query.parse(
    "notes",
    """SELECT 'step', state_id, key, value FROM journey_steps WHERE value::text LIKE '%T%:%:%'
       UNION ALL SELECT 'wait', state_id, step_key, outcome_value FROM waits
       WHERE outcome_value IS NOT NULL""",
)
_MOVE_STEP = Query.parse(
    "move_step",
    """UPDATE journey_steps SET value = CAST(:value AS jsonb)
       WHERE state_id = CAST(:state_id AS uuid) AND key = :key""",
)
_MOVE_WAIT = Query.parse(
    "move_wait",
    """UPDATE waits SET outcome_value = CAST(:value AS jsonb)
       WHERE state_id = CAST(:state_id AS uuid) AND step_key = :key""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """A mail that went out, ``after`` the world began."""

    request: SendRequest
    after: timedelta


class _Recording:
    """The real mailer, and what it sent."""

    def __init__(self, mailer: Mailer, world: DatabaseWorld) -> None:
        self._mailer = mailer
        self._world = world

    def send(self, request: SendRequest) -> SendResult:
        result = self._mailer.send(request)
        if result.status == "sent" and not result.is_duplicate:
            sent = SentMail(request=request, after=self._world.elapsed)
            self._world.mails.append(sent)
        return result


class DatabaseWorld:
    """Like ``World``, as far as the comparison needs it."""

    def __init__(
        self, app: App, db: Database, *, connectors: Mapping[str, Connector] | None = None
    ) -> None:
        self.db = db
        self._began, self._moved, self._target = time.monotonic(), 0.0, 0.0
        self.mails: list[SentMail] = []
        options = MailerOptions(
            sender="hello@example.com",
            policy=SendPolicy(is_opt_in=ListRegistry(app.lists).is_opt_in),
        )
        templates = TemplateRegistry.load(app.template_dirs)
        mailer = build(db, FakeProvider(), options=options, templates=templates)
        self.registry = JourneyRegistry(app, None)
        self.ingest = Ingest(db=db, matcher=self.registry, nudge=self, new_id=uuid7)
        self._announcer = JourneyAnnouncer(ingest=self.ingest.ingest)
        self._offload = Offload(query_threads=1, effect_threads=1)
        self._runner = asyncio.Runner()
        self._back = [
            Query(f"back_{table}", f"UPDATE {table} SET {columns}", ("seconds",))
            for table, columns in db.run(_COLUMNS)
        ]
        with World(app) as memory:
            services = memory.services({})
        self._advance = Advance(
            type(services)(
                **{
                    **{name: getattr(services, name) for name in services.__slots__},
                    "db": db,
                    "offload": self._offload,
                    "mailer": _Recording(mailer, self),
                    "connectors": dict(connectors or {}),
                    "ingest": self.ingest.ingest,
                    "clock": SystemClock(),
                }
            ),
            AdvanceOptions(
                announced=frozenset(n for n in (COMPLETED, FAILED) if self.registry.hears(n))
            ),
            wakers=Wakers(poke=self.poke, expect=lambda due_at: None),
            new_id=uuid7,
        )

    def poke(self) -> None:
        """Nobody sleeps here."""

    def close(self) -> None:
        self._offload.close()
        self._runner.close()

    def tell(self, person: Person, event: str, properties: Mapping[str, JsonValue]) -> None:
        self.ingest.ingest(
            NewEvent(
                name=event,
                external_id=person.user_id,
                email=person.email,
                properties=dict(properties),
                groups=dict(person.groups),
            )
        )
        self.drain()

    def forget(self) -> None:
        """Nobody is under way any more: a new history costs no more than the first."""
        self.db.run(_FORGET)
        self._began, self._moved, self._target = time.monotonic(), 0.0, 0.0
        self.mails.clear()

    def drain(self) -> None:
        while rows := self.db.run(_DUE):
            [(outbox_id, payload)] = rows
            definition = self.registry.find(payload["journey"])
            assert definition is not None
            entry = {
                "outbox": outbox_id,
                "state": payload.get("state"),
                "event": payload.get("event"),
            }
            items: list[Item] = list(read_items([entry]))
            self._runner.run(self._advance.run(definition, items))
            self._deliver_announcements()

    def _deliver_announcements(self) -> None:
        for outbox_id, payload in self.db.run(_ANNOUNCED):
            row = OutboxRow(
                id=outbox_id,
                topic=TOPIC,
                subject="",
                ref_id=None,
                payload=payload,
                priority=3,
                attempts=0,
            )
            assert self._announcer.deliver([row]) == [Done()]

    @property
    def elapsed(self) -> timedelta:
        """What has passed since the beginning, with the moments that the work itself has taken."""
        return timedelta(seconds=self._moved + time.monotonic() - self._began)

    def pass_time(self, span: timedelta) -> None:
        self._target += span.total_seconds()
        while (due := self.db.run(_NEXT)[0][0]) is not None and due <= self._left:
            self._move(max(due, 0.0))
            store.wake_due(self.db, limit=1000)
            self.drain()
        self._move(max(self._left, 0.0))

    @property
    def _left(self) -> float:
        return self._target - self.elapsed.total_seconds()

    def states(self, user_id: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.db.run(_STATES, user_id=user_id)]

    def skips(self, user_id: str) -> dict[tuple[str, str], int]:
        return {(j, reason): times for j, reason, times in self.db.run(_SKIPS, user_id=user_id)}

    def _move(self, seconds: float) -> None:
        self._moved += seconds
        for query in self._back:
            self.db.run(query, seconds=seconds)
        for kind, state_id, key, value in self.db.run(_NOTES):
            moved = _INSTANT.sub(lambda found: _moved(found[0], seconds), dumps(value))
            query = _MOVE_STEP if kind == "step" else _MOVE_WAIT
            self.db.run(query, state_id=state_id, key=key, value=loads(moved))


def _moved(text: str, seconds: float) -> str:
    at = datetime.fromisoformat(text) - timedelta(seconds=seconds)
    return iso_z(at) if text.endswith("Z") else at.isoformat()
