"""A database of people for tests: resolve, ingest, look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hogsend.contacts import Keys, Policy, Resolved, keys_of, repeat, resolve_contact
from hogsend.db import Database, Query
from hogsend.events.ingest import Ingest
from hogsend.events.matching import ConversionMatcher, Matches
from hogsend.events.models import Ingested, NewEvent
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue


@dataclass
class Script:
    """Content in one place: what each event starts and ends."""

    starts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exits: Mapping[str, tuple[tuple[str, bool], ...]] = field(default_factory=dict)

    def match(self, event: str, properties: Mapping[str, JsonValue]) -> Matches:
        return Matches(starts=self.starts.get(event, ()), exits=self.exits.get(event, ()))


@dataclass
class Pokes:
    """Counts nudges."""

    count: int = 0

    def poke(self) -> None:
        self.count += 1


@dataclass
class People:
    """Short names for what tests do to people."""

    db: Database
    script: Script = field(default_factory=Script)
    pokes: Pokes = field(default_factory=Pokes)
    conversions: ConversionMatcher | None = None

    @property
    def ingest(self) -> Ingest:
        return Ingest(
            db=self.db,
            matcher=self.script,
            nudge=self.pokes,
            new_id=uuid7,
            conversions=self.conversions,
        )

    def resolve(self, keys: Keys, policy: Policy | None = None, **options: Any) -> Resolved:
        def transaction() -> Resolved:
            with self.db.transaction() as tx:
                return resolve_contact(tx, keys, policy=policy or Policy(), new_id=uuid7, **options)

        return repeat(transaction)

    def put(
        self,
        user_id: str | None = None,
        email: str | None = None,
        anonymous_id: str | None = None,
        **options: Any,
    ) -> Resolved:
        return self.resolve(
            keys_of(user_id=user_id, email=email, anonymous_id=anonymous_id), **options
        )

    def send(
        self,
        name: str = "seen",
        user_id: str | None = None,
        email: str | None = None,
        anonymous_id: str | None = None,
        **fields: Any,
    ) -> Ingested:
        return self.ingest.ingest(
            NewEvent(
                name=name, external_id=user_id, email=email, anonymous_id=anonymous_id, **fields
            )
        )

    def rows(self, sql: str, **params: object) -> list[tuple[Any, ...]]:
        return self.db.run(Query.parse("test_rows", sql), **params)

    def one(self, sql: str, **params: object) -> Any:
        return self.rows(sql, **params)[0][0]

    def living(self) -> list[tuple[str | None, str | None, str | None]]:
        """Keys of everybody alive, in order."""
        return [
            (row[0], row[1], row[2])
            for row in self.rows(
                "SELECT external_id, email, anonymous_id FROM contacts WHERE deleted_at IS NULL"
                " ORDER BY external_id NULLS LAST, email NULLS LAST, anonymous_id"
            )
        ]

    def contact(self, contact_id: UUID | None) -> dict[str, Any]:
        row: dict[str, Any] = self.one(
            "SELECT to_jsonb(c) FROM contacts c WHERE id = :id", id=contact_id
        )
        return row

    def partition(self) -> set[frozenset[tuple[str, str]]]:
        """Which keys name the same living person; row ids left out."""
        rows = self.rows(
            "SELECT array_agg(ARRAY[a.alias_kind, a.alias_value]) FROM contact_aliases a"
            " JOIN contacts c ON c.id = a.contact_id AND c.deleted_at IS NULL"
            " WHERE a.alias_value !~ '^[0-9a-f]{8}-' GROUP BY a.contact_id"
        )
        return {frozenset((pair[0], pair[1]) for pair in row[0]) for row in rows}
