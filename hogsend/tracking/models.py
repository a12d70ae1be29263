"""What was followed, opened or answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hogsend.kernel.wire_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asked: ``ip`` is the network only, ``machine`` why it is no person (None: it may be)."""

    ip: str
    user_agent: str
    machine: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A recorded request for a link. ``machine`` may say ``burst`` although the visitor did not."""

    url: str
    send_id: UUID | None
    distinct_id: str | None
    source: str | None
    machine: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HitPolicy:
    """When clicks are taken for a scanner's, and how long an event waits for that verdict.

    ``burst_links`` different links of one mail within ``burst_seconds`` are a scanner.
    ``hold_seconds`` delays the event of a click, ``answer_seconds`` that of an answer, which looks
    that far back and ahead.
    """

    burst_links: int = 3
    burst_seconds: float = 5.0
    hold_seconds: float = 5.0
    answer_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whose mail it was: the key of the contact or of the send, else the address."""

    external_id: str | None
    email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HitContext:
    """Everything an event about a hit says. Link fields are None for an open."""

    position: int
    reader: Reader
    send_id: UUID
    template: str | None
    journey_id: str | None
    campaign_id: str | None
    link_id: UUID | None
    url: str | None
    event: str | None
    event_properties: JsonObject
    clicked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A semantic link as its page needs it."""

    event: str
    properties: JsonObject
    send_id: UUID
    reader: Reader
