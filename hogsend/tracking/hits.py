"""Turns promised hits into events, in the worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from hogsend.db import Executor
from hogsend.db.errors import DatabaseUnavailable
from hogsend.errors import HogsendError
from hogsend.events.models import Ingested, NewEvent
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.outbound.models import HitPromise
from hogsend.outbox.models import Delivery, Done, OutboxRow, Retry
from hogsend.tracking import store
from hogsend.tracking.models import HitContext, HitPolicy

OPENED = "email.opened"
CLICKED = "email.link_clicked"
SOURCE = "tracking"
_RETRY = timedelta(seconds=30)


class IngestsMany(Protocol):
    """Stores events; answers keep the order."""

    def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]: ...


class PromisesHits(Protocol):
    """Tells the outside of opens and clicks; the same hits again tell nothing."""

    def promise_hits(self, db: Executor, hits: Sequence[HitPromise]) -> int: ...


class HitEvents:
    """Topic ``tracking.hit``: an event for each open, click and answer of a person.

    Keys of events derive from the hit, so a row that is delivered twice makes one event. A hit
    that turned out to be a machine's makes none. Events never create a contact: a late click must
    not bring back somebody who was deleted.
    """

    topic = "tracking.hit"

    def __init__(
        self,
        db: Executor,
        ingest: IngestsMany,
        *,
        clock: Clock,
        policy: HitPolicy | None = None,
        promises: PromisesHits | None = None,
    ) -> None:
        self._db = db
        self._ingest = ingest
        self._clock = clock
        self._policy = policy or HitPolicy()
        self._promises = promises

    def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
        """One outcome per row; raises DatabaseUnavailable, then all rows come again."""
        events: dict[int, NewEvent] = {}
        answered: dict[int, HitContext] = {}
        told: list[HitPromise] = []
        hits: list[JsonValue] = [_reference(row.payload) for row in rows]
        for context in store.load_hits(self._db, hits):
            event = self._to_event(rows[context.position].payload, context)
            if event is not None:
                events[context.position] = event
                told += _to_promise(event, context)
                if rows[context.position].payload.get("kind") == "answer":
                    answered[context.position] = context
        stored = dict(zip(events, self._ingest.ingest_many(list(events.values())), strict=True))
        if self._promises is not None:
            # Before the rows are done: a crash in between delivers them again.
            self._promises.promise_hits(self._db, told)
        for position, context in answered.items():
            outcome = stored[position]
            if isinstance(outcome, Ingested) and outcome.stored and context.link_id is not None:
                store.mark_answered(self._db, context.link_id, at=self._clock.now())
        return [_to_delivery(stored.get(position)) for position in range(len(rows))]

    def _to_event(self, payload: JsonObject, context: HitContext) -> NewEvent | None:
        kind = payload.get("kind")
        if kind == "open":
            at = datetime.fromisoformat(str(payload["at"]))
            key = f"open:{context.send_id}:{int(at.timestamp())}"
            return _event(OPENED, context, key=key, at=at, properties=_mail(context))
        if kind == "click":
            properties = _mail(context) | {
                "linkUrl": context.url,
                "linkId": str(context.link_id),
            }
            key = f"click:{payload['click']}"
            return _event(CLICKED, context, key=key, at=context.clicked_at, properties=properties)
        return self._to_answer(context)

    def _to_answer(self, context: HitContext) -> NewEvent | None:
        if context.event is None or context.clicked_at is None:
            return None
        followed = store.count_followed_links(
            self._db,
            context.send_id,
            at=context.clicked_at,
            around_seconds=self._policy.answer_seconds,
        )
        if followed >= self._policy.burst_links:
            structlog.get_logger().info(
                "tracking.answer_suppressed", send_id=str(context.send_id), links=followed
            )
            return None
        return _event(
            context.event,
            context,
            key=f"sem:{context.send_id}:{context.event}",
            at=context.clicked_at,
            properties={**context.event_properties, "linkId": str(context.link_id)},
        )


def _reference(payload: JsonObject) -> JsonObject:
    return {name: payload.get(name) for name in ("send", "link", "click")}


def _mail(context: HitContext) -> JsonObject:
    return {
        "emailSendId": str(context.send_id),
        "templateKey": context.template,
        "journeyId": context.journey_id,
        "campaignId": context.campaign_id,
    }


def _event(
    name: str, context: HitContext, *, key: str, at: datetime | None, properties: JsonObject
) -> NewEvent:
    return NewEvent(
        name=name,
        external_id=context.reader.external_id,
        email=context.reader.email,
        properties=properties,
        source=SOURCE,
        idempotency_key=key,
        occurred_at=at,
        may_create=False,
    )


def _to_promise(event: NewEvent, context: HitContext) -> list[HitPromise]:
    """What the outside hears: answers and links that ask are the engine's own affair."""
    name = {OPENED: "email.opened", CLICKED: "email.clicked"}.get(event.name)
    if name is None or event.occurred_at is None or event.idempotency_key is None:
        return []
    is_click = event.name == CLICKED
    return [
        HitPromise(
            type=name,
            send_id=context.send_id,
            at=event.occurred_at,
            dedupe_key=f"{name}:{event.idempotency_key}",
            link_id=context.link_id if is_click else None,
            url=context.url if is_click else None,
        )
    ]


def _to_delivery(outcome: Ingested | HogsendError | None) -> Delivery:
    if isinstance(outcome, HogsendError):
        return Retry(
            after=_RETRY,
            error=str(outcome),
            is_counted=not isinstance(outcome, DatabaseUnavailable),
        )
    return Done()
