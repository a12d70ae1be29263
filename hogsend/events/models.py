"""An event on its way in and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hogsend.kernel.wire_json import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that happened to somebody.

    At least one of ``external_id``, ``email`` (normalised) and ``anonymous_id`` is set.
    ``contact_id`` pins the person instead: keys are not looked at, a merged id stands for its
    survivor, and the event of somebody deleted is dropped. It is for events Hogsend makes itself.
    ``contact_properties`` is a shallow patch of the contact (JSON null deletes a key);
    ``properties`` never touches the contact. ``idempotency_key`` is stored as given: callers
    prefix keys that come from outside. ``may_create`` False never makes a contact;
    ``anonymous_only`` True refuses to touch an identified one.
    """

    name: str
    external_id: str | None = None
    email: str | None = None
    anonymous_id: str | None = None
    contact_id: UUID | None = None
    properties: Mapping[str, JsonValue] = field(default_factory=dict)
    contact_properties: Mapping[str, JsonValue] | None = None
    groups: Mapping[str, str] | None = None
    value: Decimal | None = None
    currency: str | None = None
    source: str = "api"
    idempotency_key: str | None = None
    occurred_at: datetime | None = None
    may_create: bool = True
    anonymous_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitResult:
    """A live enrollment that declares this event as an exit; ``exited`` tells whether it left."""

    journey_id: str
    state_id: str
    exited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """``stored`` is False for a duplicate; ``event_id`` is then the first one's.

    ``promised`` counts the outbox rows this event caused. ``contact_id`` None: an observation
    about nobody we know yet.
    """

    stored: bool
    event_id: UUID
    contact_id: UUID | None
    contact_key: str
    exits: tuple[ExitResult, ...]
    promised: int
