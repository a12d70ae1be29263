"""What travels through the outbox and what can become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias
from uuid import UUID

from hogsend.kernel.wire_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A promise: ``ref_id`` is the row it is about, ``attempts`` counts hand-overs so far."""

    id: int
    topic: str
    subject: str
    ref_id: UUID | None
    payload: JsonObject
    priority: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Done:
    """Fulfilled: delete the row."""


@dataclass(frozen=True, slots=True)
class Held:
    """Handed over: an executor deletes the row, or it becomes due again by itself."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: due again ``after``; ``error`` is shown to operators.

    ``is_counted`` keeps the attempt in the row's count; the twelfth such row is parked. Leave it
    out when the row is not to blame (an engine that is away): an outage poisons nothing.
    """

    after: timedelta
    error: str
    is_counted: bool = False


@dataclass(frozen=True, slots=True)
class Park:
    """Never: out of the queue until an operator acts; ``error`` says why."""

    error: str


Delivery: TypeAlias = Done | Held | Retry | Park


class TopicHandler(Protocol):
    """Delivers the rows of one topic."""

    @property
    def topic(self) -> str:
        """Name in ``outbox.topic``."""
        ...

    def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
        """One outcome per row, in the order of ``rows``. May be called twice for a row."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRow:
    """A poisoned promise as operators see it; instants are ISO-8601 text."""

    id: int
    topic: str
    subject: str
    attempts: int
    payload: JsonObject
    last_error: str | None
    parked_at: str
    created_at: str
