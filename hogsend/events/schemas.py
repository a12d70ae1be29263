"""Events as they travel over HTTP. Unknown keys are ignored, null means absent."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from hogsend.events.models import Ingested, NewEvent
from hogsend.kernel.addresses import normalize_email
from hogsend.web.fields import Email

MAX_KEY_LENGTH = 512

_MAX_VALUE = 999_999_999_999.99  # user_events.value is numeric(14,2)
_MAX_GROUPS, _MAX_LISTS = 32, 100
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z")


def _parse_timestamp(value: str) -> str:
    """Only UTC with ``Z``; fractions beyond microseconds are cut."""
    if _TIMESTAMP.fullmatch(value) is not None:
        try:
            to_instant(value)
        except ValueError:
            pass
        else:
            return value
    raise PydanticCustomError("datetime", "Invalid ISO datetime")


def to_instant(value: str) -> datetime:
    """A checked timestamp as an instant."""
    whole, dot, fraction = value[:-1].partition(".")
    return datetime.fromisoformat(f"{whole}{dot}{fraction[:6]}+00:00")


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)]
AnonymousId = Annotated[str, Field(min_length=1, max_length=200)]
Timestamp = Annotated[str, AfterValidator(_parse_timestamp)]
Money = Annotated[float, Field(ge=-_MAX_VALUE, le=_MAX_VALUE, allow_inf_nan=False)]
Currency = Annotated[str, Field(pattern=r"^[A-Za-z]{3}$")]


class EventBody(BaseModel):
    """The body of ``POST /v1/events`` and one element of a batch."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Annotated[str, Field(min_length=1, max_length=255)]
    email: Email | None = None
    user_id: Key | None = Field(default=None, alias="userId")
    anonymous_id: AnonymousId | None = Field(default=None, alias="anonymousId")
    event_properties: dict[str, Any] | None = Field(default=None, alias="eventProperties")
    contact_properties: dict[str, Any] | None = Field(default=None, alias="contactProperties")
    value: Money | None = None
    currency: Currency | None = None
    lists: Annotated[dict[str, bool], Field(max_length=_MAX_LISTS)] | None = None
    groups: Annotated[dict[Key, Key], Field(max_length=_MAX_GROUPS)] | None = None
    idempotency_key: Key | None = Field(default=None, alias="idempotencyKey")
    timestamp: Timestamp | None = None
    user_token: str | None = Field(default=None, alias="userToken")


def to_new_event(body: EventBody, *, is_publishable: bool, idempotency_key: str | None) -> NewEvent:
    """The event a body describes; ``idempotency_key`` is the prefixed one.

    Blank ids count as absent. A publishable key without a user only observes: it never makes a
    contact unless money or groups are attached, and never touches an identified one.
    """
    external_id = (body.user_id or "").strip() or None
    anonymous_id = (body.anonymous_id or "").strip() or None
    is_anonymous = is_publishable and external_id is None and body.email is None
    return NewEvent(
        name=body.name,
        external_id=external_id,
        email=None if body.email is None else normalize_email(body.email),
        anonymous_id=anonymous_id,
        properties=body.event_properties or {},
        contact_properties=body.contact_properties,
        groups=body.groups or None,
        value=None if body.value is None else Decimal(repr(body.value)),
        currency=body.currency.upper() if body.currency and body.value is not None else None,
        source="inapp" if is_publishable else "api",
        idempotency_key=idempotency_key,
        occurred_at=None if body.timestamp is None else to_instant(body.timestamp),
        may_create=not (is_anonymous and body.value is None and body.groups is None),
        anonymous_only=is_anonymous,
    )


def to_answer(ingested: Ingested) -> dict[str, object]:
    """``{"stored", "exits", "contactKey"}``."""
    return {
        "stored": ingested.stored,
        "exits": [
            {"journeyId": exit.journey_id, "stateId": exit.state_id, "exited": exit.exited}
            for exit in ingested.exits
        ],
        "contactKey": ingested.contact_key,
    }
