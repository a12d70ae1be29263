"""Who exists in a test world, and what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from hogsend.journeys.models import NewWait, ResolvedWait, Step
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonObject, JsonValue

EnrollmentStatus = Literal["active", "waiting", "completed", "exited", "failed", "held_out"]


@dataclass(slots=True, kw_only=True)
class Person:
    """A contact. Change the fields at any time; the next advance sees them.

    ``categories`` holds what the person chose, by list or category: False has left, True joined.
    ``suppressed`` addresses bounced or complained.
    """

    user_id: str
    email: str = ""
    properties: dict[str, JsonValue] = field(default_factory=dict)
    timezone: str | None = None
    unsubscribed: bool = False
    suppressed: bool = False
    categories: dict[str, bool] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    contact_id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent:
    """A stored event. ``source`` is ``test`` or ``journey``."""

    id: UUID
    person: Person
    name: str
    properties: JsonObject
    groups: Mapping[str, str]
    source: str
    occurred_at: datetime
    received_at: datetime


@dataclass(slots=True, kw_only=True)
class OpenWait:
    """The pause of an enrollment and, once there is one, its outcome."""

    new: NewWait
    outcome: Literal["event", "timeout", "skipped"] | None = None
    resolved_at: datetime | None = None
    event: PastEvent | None = None
    value: JsonObject = field(default_factory=dict)

    def to_resolved(self) -> ResolvedWait | None:
        """What the next advance is told; None while it is open."""
        if self.outcome is None or self.resolved_at is None:
            return None
        return ResolvedWait(
            key=self.new.key,
            kind=self.new.kind,
            label=self.new.label,
            outcome=self.outcome,
            opened_at=self.new.opened_at,
            resolved_at=self.resolved_at,
            event_id=self.event.id if self.event else None,
            value=self.value,
        )


@dataclass(slots=True, kw_only=True)
class Passenger:
    """One enrollment, as its row, its journal and its wait would say."""

    id: UUID
    person: Person
    journey_id: str
    status: EnrollmentStatus
    properties: JsonObject
    trigger: PastEvent
    created_at: datetime
    ready_at: datetime
    version_hash: str | None = None
    generation: int = 1
    attempt: int = 0
    retrying_since: datetime | None = None
    node: str = "start"
    error: str | None = None
    exit_reason: str | None = None
    completed_at: datetime | None = None
    steps: list[Step] = field(default_factory=list)
    wait: OpenWait | None = None

    @property
    def is_live(self) -> bool:
        """True until it has completed, exited or failed."""
        return self.status in ("active", "waiting")


@dataclass(slots=True, kw_only=True)
class Promise:
    """A row of the outbox: an advance that is due."""

    id: int
    journey_id: str
    due_at: datetime
    passenger_id: UUID | None = None
    event: PastEvent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One line of what happened. ``what`` is a verb such as ``event``, ``sent`` or ``exited``."""

    at: datetime
    user_id: str
    journey_id: str | None
    what: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something a person does, ``after`` the deed before it."""

    event: str
    properties: Mapping[str, JsonValue] = field(default_factory=dict)
    after: timedelta = timedelta(0)


History = Sequence[Deed]
"""What one person does, in order."""
