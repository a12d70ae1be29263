"""An outbox and handlers that write down what they get."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest

from hogsend.db import Database, Query
from hogsend.outbox import Delivery, Done, OutboxRow, store

TOPIC = "test.work"


class Recorder:
    """A topic handler; ``answer`` decides, the default is Done."""

    def __init__(
        self,
        answer: Callable[[OutboxRow], Delivery] = lambda row: Done(),
        *,
        topic: str = TOPIC,
    ) -> None:
        self.topic = topic
        self.answer = answer
        self.batches: list[list[int]] = []
        self._lock = threading.Lock()

    def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
        with self._lock:
            self.batches.append([row.id for row in rows])
        return [self.answer(row) for row in rows]

    @property
    def ids(self) -> list[int]:
        """Every delivery, in order."""
        return [row_id for batch in self.batches for row_id in batch]


class Outbox:
    """Shorthand for one test's table."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def add(
        self,
        subject: str,
        *,
        topic: str = TOPIC,
        available_at: datetime | None = None,
        dedupe_key: str | None = None,
    ) -> int:
        """One promise; returns its id."""
        row_id = store.insert_row(
            self.db,
            topic=topic,
            subject=subject,
            payload={"s": subject},
            available_at=available_at,
            dedupe_key=dedupe_key,
        )
        assert row_id is not None
        return row_id

    def make_due(self) -> None:
        """As if every lease and pause had run out."""
        self.db.run(Query("due", "UPDATE outbox SET available_at = now()"))

    def age(self, seconds: float) -> None:
        """As if everything had happened so much earlier."""
        self.db.run(
            Query.parse(
                "age",
                "UPDATE outbox SET created_at = created_at - make_interval(secs => :s),"
                " available_at = available_at - make_interval(secs => :s)",
            ),
            s=seconds,
        )

    def rows(self) -> dict[int, tuple[int, float, bool, bool, str | None]]:
        """Per id: attempts, seconds until due, is held, is parked, last error."""
        query = Query(
            "rows",
            "SELECT id, attempts, extract(epoch FROM available_at - now())::float8,"
            " holder IS NOT NULL, parked_at IS NOT NULL, last_error FROM outbox",
        )
        return {row[0]: (row[1], row[2], row[3], row[4], row[5]) for row in self.db.run(query)}


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """An empty outbox."""
    return Outbox(database)
