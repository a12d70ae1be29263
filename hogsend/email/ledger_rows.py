"""What the send ledger takes and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from hogsend.email.models import SendResult, SendStatus
from hogsend.kernel.wire_json import JsonObject, JsonValue

# The provider had said yes in each of them.
_SENT = frozenset({"sent", "delivered", "opened", "clicked", "bounced", "complained"})
_AS_IT_IS: dict[str, SendStatus] = {
    "failed": "failed",
    "unknown": "unknown",
    "skipped": "skipped",
    "deferred": "deferred",
}
# How a row stopped by a gate is reported.
_STOPPED: dict[str | None, SendStatus] = {
    "unsubscribed": "unsubscribed",
    "category_unsubscribed": "unsubscribed",
    "control_group": "skipped",
    "frequency_capped": "skipped",
    "journey_suppressed": "skipped",
    "test_mode_blocked": "skipped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSend:
    """A mail that wants its ledger row. ``intended_to`` is the person, ``to`` the wire address.

    ``request`` is the stored form of what was asked (None: it cannot be driven again from the
    row). ``skip_preference_check`` mail carries no unsubscribe link.
    """

    id: UUID
    token: UUID
    template: str
    sender: str
    to: str
    intended_to: str
    subject: str
    category: str | None
    provider: str
    idempotency_key: str | None
    user_id: str | None
    contact_id: UUID | None
    journey_state_id: UUID | None
    metadata: JsonObject
    gates: list[JsonValue]
    created_at: datetime
    campaign_id: UUID | None = None
    skip_preference_check: bool = False
    request: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What the ledger says. ``is_mine``: this caller holds the lease and must hand over now.

    ``is_uncertain``: an earlier hand-over of the same row was never answered. ``id`` is None when
    a gate stopped the mail without a row (status ``skipped`` or ``deferred``).
    """

    id: UUID | None
    status: str
    reason: str | None
    message_id: str | None
    created_at: datetime
    is_mine: bool
    is_uncertain: bool

    def to_result(
        self, *, is_duplicate: bool = False, retry_at: datetime | None = None
    ) -> SendResult:
        """The recorded outcome; a row somebody else works on is ``held``."""
        if self.status == "suppressed":
            status: SendStatus = _STOPPED.get(self.reason, "suppressed")
        elif self.status in _SENT:
            status = "sent"
        else:
            status = _AS_IT_IS.get(self.status, "held")
        return SendResult(
            status=status,
            reason=None if status == "sent" else self.reason,
            send_id=self.id,
            message_id=self.message_id,
            retry_at=retry_at if status == "deferred" else None,
            is_duplicate=is_duplicate,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A stored request of a send that is not settled."""

    send_id: UUID
    idempotency_key: str | None
    created_at: datetime
    request: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A yes of the provider."""

    send_id: UUID
    message_id: str
    sent_at: datetime = field(repr=False)
