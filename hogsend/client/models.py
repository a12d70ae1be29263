"""What goes in and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from hogsend.client.transport import iso

Properties = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to somebody; at least ``user_id`` or ``email`` says to whom.

    ``properties`` describe the event, ``contact_properties`` are laid over the person's.
    """

    name: str
    user_id: str | None = None
    email: str | None = None
    anonymous_id: str | None = None
    properties: Properties = field(default_factory=dict)
    contact_properties: Properties | None = None
    value: Decimal | float | None = None
    currency: str | None = None
    lists: Mapping[str, bool] | None = None
    groups: Mapping[str, str] | None = None
    idempotency_key: str | None = None
    occurred_at: datetime | None = None

    def as_body(self) -> dict[str, Any]:
        """As it travels; raises TypeError when it is about nobody."""
        if not (self.user_id or self.email):
            raise TypeError("an event needs user_id or email")
        body = {
            "name": self.name,
            "userId": self.user_id,
            "email": self.email,
            "anonymousId": self.anonymous_id,
            "eventProperties": dict(self.properties) or None,
            "contactProperties": _dict(self.contact_properties),
            "value": None if self.value is None else float(self.value),
            "currency": self.currency,
            "lists": _dict(self.lists),
            "groups": _dict(self.groups),
            "idempotencyKey": self.idempotency_key,
            "timestamp": None if self.occurred_at is None else iso(self.occurred_at),
        }
        return {name: value for name, value in body.items() if value is not None}


def _dict(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A live enrollment that declares the event as an exit; ``exited`` tells whether it left."""

    journey_id: str
    state_id: str
    exited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventResult:
    """``stored`` is False for a repetition; ``lists_error`` says why lists were not written."""

    stored: bool
    contact_key: str
    exits: tuple[Exit, ...]
    lists_error: str | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> EventResult:
        """From the wire."""
        return cls(
            stored=body["stored"],
            contact_key=body["contactKey"],
            exits=tuple(
                Exit(journey_id=e["journeyId"], state_id=e["stateId"], exited=e["exited"])
                for e in body["exits"]
            ),
            lists_error=body.get("listsError"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """What became of one event: ``result``, or ``error`` with its ``status``."""

    status: int
    result: EventResult | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserted:
    """Who it is; ``linked`` is True for everybody who was there before."""

    id: str
    created: bool
    linked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person."""

    id: str
    external_id: str | None
    email: str | None
    properties: Properties
    first_seen_at: datetime
    last_seen_at: datetime
    created_at: datetime
    updated_at: datetime

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Contact:
        """From the wire."""
        return cls(
            id=body["id"],
            external_id=body["externalId"],
            email=body["email"],
            properties=body["properties"],
            first_seen_at=datetime.fromisoformat(body["firstSeenAt"]),
            last_seen_at=datetime.fromisoformat(body["lastSeenAt"]),
            created_at=datetime.fromisoformat(body["createdAt"]),
            updated_at=datetime.fromisoformat(body["updatedAt"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingList:
    """A list; ``subscribed`` is personal when somebody was named."""

    id: str
    name: str
    description: str | None
    default_opt_in: bool
    kind: str
    subscribed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Explicit answers by list id."""

    categories: Mapping[str, bool]
    unsubscribed_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of people."""

    id: str
    group_type: str
    group_key: str
    display_name: str | None
    properties: Properties
    first_seen_at: datetime
    last_seen_at: datetime

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Group:
        """From the wire."""
        return cls(
            id=body["id"],
            group_type=body["groupType"],
            group_key=body["groupKey"],
            display_name=body["displayName"],
            properties=body["properties"],
            first_seen_at=datetime.fromisoformat(body["firstSeenAt"]),
            last_seen_at=datetime.fromisoformat(body["lastSeenAt"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A contact in a group."""

    contact_id: str
    email: str | None
    external_id: str | None
    role: str | None
    joined_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailResult:
    """``send_id`` is None when the mail was stopped before it got a record."""

    send_id: str | None
    status: str
    reason: str | None
