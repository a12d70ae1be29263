"""What callers ask of the mailer and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from hogsend.kernel.wire_json import JsonValue

SendStatus = Literal["sent", "suppressed", "failed", "unknown", "held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """One mail to one person.

    ``to`` is the person's address (normalised). ``idempotency_key`` is stored as given and makes
    the send at most once; None sends every time it is called. ``subject`` None takes the
    template's. ``journey_state_id`` links the ledger row to an enrollment.
    """

    template: str
    to: str
    props: Mapping[str, JsonValue] = field(default_factory=dict)
    subject: str | None = None
    idempotency_key: str | None = None
    user_id: str | None = None
    contact_id: UUID | None = None
    journey_state_id: UUID | None = None
    category: str | None = None
    skip_preference_check: bool = False
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """``held`` means somebody else is sending it right now: ask again with the same key.

    ``reason`` says why a mail was not sent; ``message_id`` is the provider's.
    """

    status: SendStatus
    reason: str | None = None
    send_id: UUID | None = None
    message_id: str | None = None
