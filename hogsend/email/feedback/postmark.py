"""Postmark's webhooks (https://postmarkapp.com/developer/webhooks, observed 2026-11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from hogsend.email.feedback.base import (
    SEND_TAG,
    BounceClass,
    Feedback,
    FeedbackType,
    read_addresses,
    read_instant,
    read_object,
    read_text,
    read_uuid,
)
from hogsend.kernel.hashing import sha256_hex
from hogsend.kernel.wire_json import JsonObject
from hogsend.net.signatures import check_basic

_SIMPLE: Mapping[str, tuple[FeedbackType, str]] = {
    "Delivery": ("email.delivered", "DeliveredAt"),
    "Open": ("email.opened", "ReceivedAt"),
    "Click": ("email.clicked", "ReceivedAt"),
}
# TypeCode of a bounce (https://postmarkapp.com/developer/api/bounce-api#bounce-types).
_COMPLAINTS = frozenset({512, 100001})
_PERMANENT = frozenset({1, 100000, 100002})  # HardBounce, BadEmailAddress, ManuallyDeactivated
_TRANSIENT = frozenset({2, 256, 4096, 100006})  # Transient, DnsError, SoftBounce, Blocked
_REJECTED = frozenset({100007, 100010})  # SMTPApiError, TemplateRenderingFailed
# Unsubscribe: the person asked Postmark not to be written to.
_UNSUBSCRIBE = 16
# Subscribe, AutoResponder, AddressChange, OpenRelayTest, ChallengeVerification: the mail arrived.
_NO_BOUNCE = frozenset({32, 64, 128, 1024, 16384})
_SUPPRESSIONS: Mapping[str, BounceClass] = {
    "HardBounce": "permanent",
    "SpamComplaint": "complaint",
}


class PostmarkFeedback:
    """Authenticated with HTTP Basic. Postmark signs nothing and numbers nothing.

    So the key of a report is the hash of its body: the vendor repeats a report byte for byte.
    """

    name = "postmark"

    def __init__(self, credentials: Sequence[tuple[str, str]]) -> None:
        self._credentials = list(credentials)

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """See FeedbackSource.verify."""
        check_basic(self._credentials, headers.get("authorization", ""))
        return sha256_hex(body)

    def parse(self, body: bytes, *, event_key: str, now: datetime) -> Feedback | None:
        """See FeedbackSource.parse."""
        event = read_object(body)
        read = _read(event)
        if read is None:
            return None
        kind, bounce_class, at = read
        metadata = event.get("Metadata")
        return Feedback(
            provider=self.name,
            event_key=event_key,
            type=kind,
            message_id=read_text(event.get("MessageID"), limit=200),
            recipients=read_addresses(event.get("Recipient") or event.get("Email")),
            occurred_at=read_instant(event.get(at), default=now),
            raw=event,
            send_id=read_uuid(metadata.get(SEND_TAG) if isinstance(metadata, dict) else None),
            bounce_class=bounce_class,
            bounce_code=read_text(event.get("Type") or event.get("SuppressionReason"), limit=100),
            reason=read_text(event.get("Description") or event.get("Details")),
        )


def _read(event: JsonObject) -> tuple[FeedbackType, BounceClass | None, str] | None:
    """Type, class and the field of the instant; None for what says nothing about a mail."""
    record = event.get("RecordType")
    if isinstance(record, str) and record in _SIMPLE:
        kind, at = _SIMPLE[record]
        return kind, None, at
    if record == "SpamComplaint":
        return "email.complained", "complaint", "BouncedAt"
    if record == "Bounce":
        return _read_bounce(event)
    if record == "SubscriptionChange" and event.get("SuppressSending") is True:
        why = event.get("SuppressionReason")
        bounce_class = _SUPPRESSIONS.get(why) if isinstance(why, str) else None
        return "email.suppressed", bounce_class, "ChangedAt"
    return None


def _read_bounce(event: JsonObject) -> tuple[FeedbackType, BounceClass | None, str] | None:
    code = event.get("TypeCode")
    at = "BouncedAt"
    if not isinstance(code, int) or code not in _NO_BOUNCE:
        if code in _COMPLAINTS:
            return "email.complained", "complaint", at
        if code in _REJECTED:
            return "email.rejected", None, at
        if code == _UNSUBSCRIBE:
            return "email.suppressed", None, at
        if code in _PERMANENT:
            return "email.bounced", "permanent", at
        return "email.bounced", "transient" if code in _TRANSIENT else "unknown", at
    return None
