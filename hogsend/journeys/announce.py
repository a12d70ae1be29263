"""Events about journeys themselves, made after the fact and never lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from hogsend.db.errors import DatabaseError
from hogsend.errors import HogsendError
from hogsend.events.models import Ingested, NewEvent
from hogsend.journeys.models import Settlement
from hogsend.kernel.wire_json import JsonObject
from hogsend.outbox import Delivery, Done, OutboxRow, Park, Retry

TOPIC: Final = "journey.announce"
COMPLETED: Final = "journey:completed"
FAILED: Final = "journey:failed"

_AGAIN = timedelta(seconds=5)
_NAMES = {"completed": COMPLETED, "failed": FAILED}


def announced(settlement: Settlement, wanted: Collection[str]) -> Settlement:
    """The settlement with an event about its end, when some journey listens to it.

    Ends that nobody listens to make no event: it would double the cost of every completion.
    """
    name = _NAMES.get(settlement.status)
    if name is None or name not in wanted:
        return settlement
    enrollment = settlement.enrollment
    properties: JsonObject = {
        "journeyId": enrollment.journey_id,
        "stateId": str(enrollment.id),
        "userId": enrollment.user_id,
    }
    if settlement.error is not None:
        properties["error"] = settlement.error
    # A journey completes once; one that failed may be resumed, and fail again.
    again = f":{enrollment.generation}" if name == FAILED else ""
    key = f"{name}:{enrollment.id}{again}"
    return replace(settlement, announcement={"name": name, "key": key, "properties": properties})


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyAnnouncer:
    """TopicHandler of ``journey.announce``: turns each row into one event."""

    ingest: Callable[[NewEvent], Ingested]
    topic: str = TOPIC

    def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
        """See TopicHandler."""
        return [self._deliver(row) for row in rows]

    def _deliver(self, row: OutboxRow) -> Delivery:
        try:
            self.ingest(_to_event(row.payload))
        except DatabaseError as error:
            return Retry(after=_AGAIN, error=error.message)
        except (HogsendError, KeyError, ValueError) as error:
            structlog.get_logger().error(
                "journey.announcement_refused", outbox_id=row.id, error=str(error)
            )
            return Park(str(error))
        return Done()


def _to_event(payload: dict[str, Any]) -> NewEvent:
    contact_id = payload.get("contact_id")
    return NewEvent(
        name=payload["name"],
        contact_id=UUID(contact_id) if contact_id else None,
        external_id=None if contact_id else payload["user_id"],
        properties=payload.get("properties") or {},
        source="journey",
        idempotency_key=payload["key"],
        may_create=False,
    )
