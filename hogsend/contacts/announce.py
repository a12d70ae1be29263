"""Tells the outside what became of people: ``contact.created``, ``.updated``, ``.deleted``."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from hogsend.db import Executor
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject, iso_z
from hogsend.outbox import store as outbox

TOPIC = "outbound.event"


class Announcer(Protocol):
    """Promises that the outside will hear; called in the transaction that changed the person."""

    def announce(self, tx: Executor, event: str, contact_id: UUID, data: JsonObject) -> None:
        """Promise one outbound event; commits and rolls back with ``tx``."""
        ...


class Silent:
    """Nobody outside listens: nothing is promised, so nothing piles up in the outbox."""

    def announce(self, tx: Executor, event: str, contact_id: UUID, data: JsonObject) -> None:
        """Promise nothing."""


class OutboxAnnouncer:
    """One outbox row per event: ``{"type", "timestamp", "data"}``, in order per person.

    Give it to the contacts only in a process whose relay has a handler for ``TOPIC``.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def announce(self, tx: Executor, event: str, contact_id: UUID, data: JsonObject) -> None:
        """Write the row."""
        outbox.insert_row(
            tx,
            topic=TOPIC,
            subject=f"contact/{contact_id}",
            payload={"type": event, "timestamp": iso_z(self._clock.now()), "data": data},
        )
