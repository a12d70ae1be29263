"""A request as it waits in the ledger until the provider said yes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from hogsend.email.models import SendRequest
from hogsend.kernel.wire_json import JsonObject, JsonValue


def to_stored(request: SendRequest) -> JsonObject | None:
    """JSON from which ``from_stored`` makes an equal request; None when it carries files.

    Files stay with the caller, who can come back with the same key.
    """
    if request.attachments:
        return None
    values: dict[str, JsonValue] = {
        "template": request.template,
        "to": request.to,
        "props": dict(request.props),
        "subject": request.subject,
        "sender": request.sender,
        "reply_to": list(request.reply_to),
        "headers": dict(request.headers),
        "tags": dict(request.tags),
        "user_id": request.user_id,
        "contact_id": _text(request.contact_id),
        "journey_state_id": _text(request.journey_state_id),
        "journey_id": request.journey_id,
        "campaign_id": _text(request.campaign_id),
        "min_gap_seconds": request.min_gap.total_seconds() if request.min_gap else None,
        "timezone": request.timezone,
        "category": request.category,
        "skip_preference_check": request.skip_preference_check or None,
        "track": None if request.track else False,
        "metadata": dict(request.metadata),
    }
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


def from_stored(stored: JsonObject, *, idempotency_key: str | None) -> SendRequest:
    """The request ``to_stored`` wrote down."""
    given: dict[str, Any] = dict(stored)
    seconds = given.pop("min_gap_seconds", None)
    for name in ("contact_id", "journey_state_id", "campaign_id"):
        if name in given:
            given[name] = UUID(given[name])
    if "reply_to" in given:
        given["reply_to"] = tuple(given["reply_to"])
    return SendRequest(
        idempotency_key=idempotency_key,
        min_gap=timedelta(seconds=seconds) if seconds else None,
        **given,
    )


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
