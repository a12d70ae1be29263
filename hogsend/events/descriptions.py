"""What the event routes say about themselves in ``/openapi.json``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel

from hogsend.events.schemas import EventBody
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.fields import Sent

_TAG = "Events"
_EXAMPLE = {
    "name": "order.paid",
    "userId": "user_42",
    "email": "ada@example.com",
    "eventProperties": {"total": 42},
    "value": 42,
    "currency": "EUR",
    "idempotencyKey": "order-1001",
}


class EventList(BaseModel):
    """The other form of a batch."""

    events: list[EventBody] = Field(min_length=1, max_length=500)


class EventBatch(RootModel[list[EventBody] | EventList]):
    """1 to 500 events, as an array or in ``events``. Each is checked by itself."""


class ExitSent(Sent):
    """A live enrollment that declares this event as an exit."""

    journeyId: str
    stateId: UUID
    exited: bool


class EventAnswer(Sent):
    """``stored`` is false for a repetition; ``listsError`` says why lists were not written."""

    stored: bool
    exits: list[ExitSent]
    contactKey: str
    listsError: str | None = None


class BatchResult(BaseModel):
    """One event's own status with its answer, or ``error`` (and ``issues``)."""

    model_config = ConfigDict(extra="forbid")

    status: int
    stored: bool | None = None
    exits: list[ExitSent] | None = None
    contactKey: str | None = None
    listsError: str | None = None
    error: str | None = None
    issues: list[Any] | None = None


class BatchAnswer(Sent):
    """``results`` has the order of the request."""

    accepted: int
    failed: int
    results: list[BatchResult]


POST_EVENT = RouteDoc(
    summary="Something happened to somebody",
    tag=_TAG,
    description="Accepted means stored, with everything it causes. The `Idempotency-Key` header "
    "wins over `idempotencyKey`; a key is remembered for ever, and only the same event may use "
    "it again.",
    body=EventBody,
    body_example=_EXAMPLE,
    answers={
        202: Answer(
            description="Accepted, or known already",
            model=EventAnswer,
            example={"stored": True, "exits": [], "contactKey": "user_42"},
        )
    },
    errors={
        409: "The key was used for another event",
        429: "Or ingestion is suspended (`error` is `ingest_suspended`)",
    },
)
POST_BATCH = RouteDoc(
    summary="Up to 500 events",
    tag=_TAG,
    description="Each event has its own status in `results`. With an `Idempotency-Key` header "
    "event n without a key of its own has `<header>:<n>`.",
    body=EventBatch,
    body_example={"events": [_EXAMPLE]},
    answers={
        202: Answer(description="All were accepted", model=BatchAnswer),
        207: Answer(description="Some were not", model=BatchAnswer),
    },
    errors={429: "Or ingestion is suspended (`error` is `ingest_suspended`)"},
)
