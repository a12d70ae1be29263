"""The worker's half: events about bounces and complaints, and reports that outran their send."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from hogsend.db import Executor
from hogsend.email.feedback import store
from hogsend.errors import HogsendError
from hogsend.events.models import Ingested, NewEvent
from hogsend.kernel.wire_json import JsonObject
from hogsend.outbox.models import Delivery, Done, OutboxRow, Retry

_RETRY = timedelta(seconds=30)
# A send is in the ledger before the provider is called and has the provider's id seconds later;
# what is not found after these tries is not our mail. Together about an hour.
_TRIES = (5, 10, 30, 60, 120, 300, 600, 900, 1800)


class IngestsMany(Protocol):
    """Stores events; answers keep the order."""

    def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]: ...


class FeedbackEvents:
    """Topic ``email.feedback``. A row that is delivered twice makes one event."""

    topic = "email.feedback"

    def __init__(
        self, db: Executor, ingest: IngestsMany, *, policy: store.SuppressionPolicy
    ) -> None:
        self._db = db
        self._ingest = ingest
        self._policy = policy

    def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
        """One outcome per row; raises DatabaseUnavailable, then all rows come again."""
        told = [row for row in rows if row.payload.get("kind") == "event"]
        outcomes = self._tell(told)
        return [outcomes[row.id] if row.id in outcomes else self._retry(row) for row in rows]

    def _tell(self, rows: Sequence[OutboxRow]) -> dict[int, Delivery]:
        sends = store.load_sends(self._db, {UUID(str(row.payload["send"])) for row in rows})
        events: dict[int, NewEvent] = {}
        for row in rows:
            send = sends.get(UUID(str(row.payload["send"])))
            if send is not None:
                events[row.id] = _to_event(row.payload, send)
        answers = self._ingest.ingest_many(list(events.values())) if events else []
        stored = dict(zip(events, answers, strict=True))
        return {row.id: _to_delivery(stored.get(row.id)) for row in rows}

    def _retry(self, row: OutboxRow) -> Delivery:
        feedback_id = UUID(str(row.payload["feedback"]))
        if store.apply_feedback(self._db, feedback_id, policy=self._policy) != "unmatched":
            return Done()
        if row.attempts > len(_TRIES):
            structlog.get_logger().warning("feedback.unmatched", feedback_id=str(feedback_id))
            return Done()
        after = timedelta(seconds=_TRIES[row.attempts - 1])
        return Retry(after=after, error="no send with this id yet")


def _to_event(payload: JsonObject, send: store.SendContext) -> NewEvent:
    name = str(payload["type"])
    properties: JsonObject = {
        "emailSendId": str(send.id),
        "messageId": send.message_id,
        "templateKey": send.template,
        "journeyId": send.journey_id,
        "campaignId": send.campaign_id,
        "to": send.to,
    }
    key = f"complaint:{send.id}"
    if name == "email.bounced":
        properties |= {
            "bounceType": payload.get("bounceType"),
            "bounceReason": payload.get("bounceReason"),
        }
        key = f"bounce:{send.id}:{payload.get('bounceType')}"
    return NewEvent(
        name=name,
        external_id=send.external_id,
        email=send.email,
        properties=properties,
        source="feedback",
        idempotency_key=key,
        occurred_at=datetime.fromisoformat(str(payload["at"])),
        may_create=False,
    )


def _to_delivery(outcome: Ingested | HogsendError | None) -> Delivery:
    if isinstance(outcome, HogsendError):
        return Retry(after=_RETRY, error=str(outcome))
    return Done()
