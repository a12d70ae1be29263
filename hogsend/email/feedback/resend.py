"""Resend's webhooks (https://resend.com/docs/dashboard/webhooks/event-types, observed 2026-11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast, get_args

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
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.net.signatures import check_svix

# The vendor's words are not documented as a closed list; the first match counts.
_CLASSES: tuple[tuple[BounceClass, tuple[str, ...]], ...] = (
    ("complaint", ("complaint", "spam", "abuse")),
    ("permanent", ("hardbounce", "hard_bounce", "permanent", "suppressed")),
    (
        "transient",
        (
            "softbounce", "soft_bounce", "transient", "mailboxfull", "mailbox_full", "throttled",
            "undetermined",
        ),
    ),
)  # fmt: skip
_RENAMED: Mapping[str, FeedbackType] = {"email.failed": "email.rejected"}


class ResendFeedback:
    """Signed as Standard Webhooks with RESEND_WEBHOOK_SECRET."""

    name = "resend"

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """See FeedbackSource.verify; the key is the message id of the signature."""
        return check_svix(self._secrets, headers, body, now=now)

    def parse(self, body: bytes, *, event_key: str, now: datetime) -> Feedback | None:
        """See FeedbackSource.parse; events about contacts and domains say nothing."""
        event = read_object(body)
        kind = _type_of(event.get("type"))
        if kind is None:
            return None
        data = _object(event.get("data"))
        about = _object(data.get("bounce") or data.get("suppressed") or data.get("failed"))
        bounce_class = None
        if kind in ("email.bounced", "email.suppressed"):
            bounce_class = _class_of(about.get("type"), default_permanent=kind != "email.bounced")
        return Feedback(
            provider=self.name,
            event_key=event_key,
            type=kind,
            message_id=read_text(data.get("email_id"), limit=200),
            recipients=read_addresses(data.get("to")),
            occurred_at=read_instant(
                event.get("created_at") or data.get("created_at"), default=now
            ),
            raw=event,
            send_id=read_uuid(_tag(data.get("tags"))),
            bounce_class=bounce_class,
            bounce_code=read_text(about.get("type"), limit=100),
            reason=read_text(about.get("message") or about.get("reason")),
        )


def _type_of(value: JsonValue) -> FeedbackType | None:
    if not isinstance(value, str):
        return None
    renamed = _RENAMED.get(value, value)
    return cast(FeedbackType, renamed) if renamed in get_args(FeedbackType) else None


def _class_of(value: JsonValue, *, default_permanent: bool) -> BounceClass:
    text = value.lower() if isinstance(value, str) else ""
    for bounce_class, words in _CLASSES:
        if any(word in text for word in words):
            return bounce_class
    return "permanent" if default_permanent else "unknown"


def _tag(tags: JsonValue) -> JsonValue:
    """Tags come back as an object; a list of name and value is how they were sent."""
    if isinstance(tags, dict):
        return tags.get(SEND_TAG)
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, dict) and tag.get("name") == SEND_TAG:
            return tag.get("value")
    return None


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
