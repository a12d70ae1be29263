"""The world of the test kit on real PostgreSQL: time passes by moving every timestamp back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from hogsend.app import App
from hogsend.db import Database, Query
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.events.ingest import Ingest
from hogsend.events.models import NewEvent
from hogsend.journeys import store
from hogsend.journeys.announce import COMPLETED, FAILED, TOPIC, JourneyAnnouncer
from hogsend.journeys.models import Item
from hogsend.journeys.registry import JourneyRegistry
from hogsend.journeys.runtime.advance import Advance, AdvanceOptions, Wakers
from hogsend.journeys.runtime.offload import Offload
from hogsend.journeys.tasks import read_items
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue
from hogsend.outbox import Done, OutboxRow
from hogsend.testing.mailbox import Mailbox
from hogsend.testing.people import Person
from hogsend.testing.world import World

_COLUMNS = Query.parse(
    "columns",
    """SELECT table_name, string_agg(format('%I = %I - make_interval(secs => $1)', column_name,
                                            column_name), ', ')
       FROM information_schema.columns
       JOIN information_schema.tables USING (table_schema, table_name)
       WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
         AND data_type = 'timestamp with time zone'
         AND (table_name LIKE 'journey%' OR table_name IN ('waits', 'outbox', 'user_events'))
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
                user_events CASCADE""",
)


class DatabaseWorld:
    """Like ``World``, as far as the comparison needs it. Mail goes to the same kind of mailbox."""

    def __init__(self, app: App, db: Database) -> None:
        self.db = db
        self.people: dict[str, Person] = {}
        self.mailbox = Mailbox(
            templates=TemplateRegistry.load(app.template_dirs),
            clock=SystemClock(),
            find_person=lambda address: next(
                (p for p in self.people.values() if p.email == address), None
            ),
        )
        self.registry = JourneyRegistry(app, None)
        self.ingest = Ingest(db=db, matcher=self.registry, nudge=self, new_id=uuid7)
        self._announcer = JourneyAnnouncer(ingest=self.ingest.ingest)
        self._offload = Offload(query_threads=1, effect_threads=1)
        self._runner = asyncio.Runner()
        self._back = [
            Query(f"back_{table}", f"UPDATE {table} SET {columns}", ("seconds",))
            for table, columns in db.run(_COLUMNS)
        ]
        services = World(app).services({})
        self._advance = Advance(
            type(services)(
                **{
                    **{name: getattr(services, name) for name in services.__slots__},
                    "db": db,
                    "offload": self._offload,
                    "mailer": self.mailbox,
                    "ingest": self.ingest.ingest,
                    "clock": SystemClock(),
                }
            ),
            AdvanceOptions(announced=frozenset({COMPLETED, FAILED})),
            wakers=Wakers(poke=self.poke, expect=lambda due_at: None),
            new_id=uuid7,
        )

    def poke(self) -> None:
        """Nobody sleeps here."""

    def close(self) -> None:
        self._offload.close()
        self._runner.close()

    def tell(self, person: Person, event: str, properties: Mapping[str, JsonValue]) -> None:
        self.people[person.user_id] = person
        self.ingest.ingest(
            NewEvent(
                name=event,
                external_id=person.user_id,
                email=person.email,
                properties=dict(properties),
            )
        )
        self.drain()

    def forget(self) -> None:
        """Nobody is under way any more: a new history costs no more than the first."""
        self.db.run(_FORGET)

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

    def pass_time(self, span: timedelta) -> None:
        left = span.total_seconds()
        while (due := self.db.run(_NEXT)[0][0]) is not None and due <= left:
            step = max(due, 0.0)
            self._move(step)
            left -= step
            store.wake_due(self.db, limit=1000)
            self.drain()
        self._move(left)

    def states(self, user_id: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.db.run(_STATES, user_id=user_id)]

    def skips(self, user_id: str) -> dict[tuple[str, str], int]:
        return {(j, reason): times for j, reason, times in self.db.run(_SKIPS, user_id=user_id)}

    def _move(self, seconds: float) -> None:
        for query in self._back:
            self.db.run(query, seconds=seconds)
