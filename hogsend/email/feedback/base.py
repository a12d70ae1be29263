"""The contract between the webhook route and every vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonObject, loads

FeedbackType = Literal[
    "email.sent",
    "email.delivered",
    "email.bounced",
    "email.complained",
    "email.delivery_delayed",
    "email.opened",
    "email.clicked",
    "email.rejected",
    "email.suppressed",
]
BounceClass = Literal["permanent", "transient", "complaint", "unknown"]

# The tag (Resend) or metadata field (Postmark) that carries the id of the send.
SEND_TAG = "hs_send_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One neutral report.

    ``event_key`` names it at the vendor: the same key is the same report. ``send_id`` comes from
    our own tag and is believed before ``message_id``. ``occurred_at`` is the vendor's clock.
    ``email.rejected``: taken, then discarded. ``email.suppressed``: the vendor will not write to
    this address any more; ``bounce_class`` says why.
    """

    provider: str
    event_key: str
    type: FeedbackType
    message_id: str | None
    recipients: tuple[str, ...]
    occurred_at: datetime
    raw: JsonObject
    send_id: UUID | None = None
    bounce_class: BounceClass | None = None
    bounce_code: str | None = None
    reason: str | None = None


class FeedbackSource(Protocol):
    """One vendor's webhook. ``name`` is the last segment of its path."""

    @property
    def name(self) -> str: ...

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """The event key of a genuine request; raises BadSignature. Closed without a secret.

        ``headers`` are keyed by lower-case name, ``body`` is exactly what was received.
        """
        ...

    def parse(self, body: bytes, *, event_key: str, now: datetime) -> Feedback | None:
        """The report, None for a call that says nothing about a mail (it is acknowledged).

        Raises InvalidInput for a body that makes no sense.
        """
        ...


def read_object(body: bytes) -> JsonObject:
    """The JSON object of a body; raises InvalidInput."""
    try:
        parsed = loads(body)
    except ValueError as error:
        raise InvalidInput("Malformed JSON in request body", code="malformed_json") from error
    if not isinstance(parsed, dict):
        raise InvalidInput("The webhook body is not an object", code="malformed_json")
    return parsed


def read_instant(value: object, *, default: datetime) -> datetime:
    """An ISO-8601 instant; ``default`` for anything else and for instants in the future."""
    if not isinstance(value, str):
        return default
    try:
        instant = datetime.fromisoformat(value.strip().replace(" UTC", "+00:00"))
    except ValueError:
        return default
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=default.tzinfo)
    return min(instant, default)


def read_uuid(value: object) -> UUID | None:
    """The id in a tag, None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def read_text(value: object, *, limit: int = 1000) -> str | None:
    """Bounded text without NUL, None for anything else."""
    return value.replace("\0", "")[:limit] if isinstance(value, str) and value else None


def read_addresses(value: object) -> tuple[str, ...]:
    """Bare addresses of a list or one text, normalised, in order, without repetition."""
    from email.utils import parseaddr

    from hogsend.kernel.addresses import is_email, normalize_email

    given = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    found = [normalize_email(parseaddr(one)[1]) for one in given if isinstance(one, str)]
    return tuple(dict.fromkeys(address for address in found if is_email(address)))
