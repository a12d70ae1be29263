"""What the open operational routes say about themselves in ``/openapi.json``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.fields import Sent

_TAG = "Operations"


class Track(Sent):
    """One migration track."""

    applied: str | None
    required: str | None
    inSync: bool
    pending: list[str]


class Schema(Sent):
    """Both tracks."""

    engine: Track
    client: Track


class Component(Sent):
    """A dependency and how long it took to find out."""

    status: Literal["up", "down"]
    latencyMs: int


class Worker(Sent):
    """The youngest heartbeat of a worker."""

    status: Literal["up", "down"]
    lastSeenAt: datetime | None = None


class Components(Sent):
    """What the process needs."""

    database: Component
    redis: Component
    worker: Worker


class Journeys(Sent):
    """Null when the numbers could not be read in time."""

    failed: int | None
    completed: int | None


class Emails(Sent):
    """Null when the numbers could not be read in time."""

    failed: int | None
    sent: int | None


class Activity(Sent):
    """What happened lately."""

    windowHours: int
    journeys: Journeys
    emails: Emails


class HealthAnswer(Sent):
    """How it is."""

    status: Literal["healthy", "degraded", "migration_pending"]
    schema_: Schema = Field(alias="schema")
    uptime: float
    timestamp: datetime
    version: str
    components: Components
    activity: Activity


class LiveAnswer(Sent):
    """The process answers."""

    status: Literal["live"]


class ReadyAnswer(Sent):
    """Whether requests may be sent here."""

    status: Literal["ready", "not_ready"]


class SetupAnswer(Sent):
    """True while there is no administrator."""

    needsSetup: bool


GET_HEALTH = RouteDoc(
    summary="How the process and what it needs are",
    tag=_TAG,
    uses_database=False,
    answers={
        200: Answer(description="Healthy or degraded", model=HealthAnswer),
        503: Answer(description="The schema is behind", model=HealthAnswer),
    },
)
GET_LIVE = RouteDoc(
    summary="Whether the process answers",
    tag=_TAG,
    uses_database=False,
    answers={200: Answer(description="It does", model=LiveAnswer)},
)
GET_READY = RouteDoc(
    summary="Whether requests may be sent here",
    tag=_TAG,
    uses_database=False,
    answers={
        200: Answer(description="They may", model=ReadyAnswer),
        503: Answer(description="They may not", model=ReadyAnswer),
    },
)
GET_AUTH_STATUS = RouteDoc(
    summary="Whether the first administrator is still to be made",
    tag=_TAG,
    answers={200: Answer(description="Known", model=SetupAnswer)},
)
