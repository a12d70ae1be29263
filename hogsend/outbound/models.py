"""Outbound events and which of them are promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hogsend.kernel.wire_json import JsonObject

# The catalogue has more; these are the ones that something in Hogsend can make true today. The
# table checks the same list.
EVENT_TYPES = (
    "contact.created",
    "contact.updated",
    "contact.deleted",
    "contact.unsubscribed",
    "contact.subscribed",
    "email.sent",
    "email.delivered",
    "email.opened",
    "email.clicked",
    "email.bounced",
    "email.complained",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundEvent:
    """One row. ``payload`` is the body as it goes out: ``id``, ``type``, ``timestamp``, ``data``;
    its ``id`` is what receivers know a repetition by."""

    id: UUID
    type: str
    contact_id: UUID | None
    send_id: UUID | None
    payload: JsonObject
    occurred_at: datetime
    dedupe_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HitPromise:
    """An open or a click of a person. ``dedupe_key`` names the hit; link fields only for clicks."""

    type: str
    send_id: UUID
    at: datetime
    dedupe_key: str
    link_id: UUID | None = None
    url: str | None = None
