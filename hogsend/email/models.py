"""What callers ask of the mailer and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from hogsend.email.attachments import Attachment
from hogsend.kernel.wire_json import JsonValue

SendStatus = Literal[
    "sent",
    "queued",
    "suppressed",
    "unsubscribed",
    "skipped",
    "deferred",
    "failed",
    "unknown",
    "held",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """One mail to one person.

    ``to`` is the person's address (normalised). ``idempotency_key`` is stored as given and makes
    the send at most once; None sends every time it is called. ``subject`` None takes the
    template's, ``sender`` None the configured one. ``journey_state_id`` links the ledger row to
    an enrollment; ``min_gap`` skips the mail when ``journey_id`` wrote to this person within it.
    ``category`` is the caller's: it outranks the template's for consent and alone decides the
    frequency cap. ``headers`` reach the recipient, ``tags`` only the provider. ``timezone`` is
    the person's, for send windows.
    """

    template: str
    to: str
    props: Mapping[str, JsonValue] = field(default_factory=dict)
    subject: str | None = None
    sender: str | None = None
    reply_to: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    idempotency_key: str | None = None
    user_id: str | None = None
    contact_id: UUID | None = None
    journey_state_id: UUID | None = None
    journey_id: str | None = None
    campaign_id: UUID | None = None
    min_gap: timedelta | None = None
    timezone: str | None = None
    category: str | None = None
    skip_preference_check: bool = False
    track: bool = True
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of a mail.

    ``reason`` says why it was not sent, ``message_id`` is the provider's. ``held`` means somebody
    else is sending it right now: ask again with the same key. ``deferred``: not now, ask again at
    ``retry_at``; nothing was sent. ``queued``: the worker will send it. ``is_duplicate``: the
    record of an earlier call with this key.
    """

    status: SendStatus
    reason: str | None = None
    send_id: UUID | None = None
    message_id: str | None = None
    retry_at: datetime | None = None
    is_duplicate: bool = False
