"""Events that a journey makes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

from hogsend.events.models import NewEvent
from hogsend.journeys.effects.keys import find_effect, site_of, step_key
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError
from hogsend.journeys.runtime.stored import as_stored
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.wire_json import JsonObject, JsonValue


async def trigger(
    passage: Passage,
    event: str,
    *,
    properties: Mapping[str, JsonValue] | None,
    user_id: str | None,
    email: str | None,
    value: Decimal | float | None,
    currency: str | None,
    label: str | None,
) -> None:
    """Ingest an event, at most once per place, with everything an event causes.

    The idempotency key is ``journeyTrigger:<enrollment>:<site>:<event>``. About the enrolled
    person unless ``user_id`` names another one, who is created when nobody knows them.
    """
    if not isinstance(event, str) or not event.strip():
        raise JourneyError("ctx.trigger needs the name of an event")
    site = site_of(passage, label, event)
    key = step_key(passage, "trigger", site, event)
    if find_effect(passage, "trigger", key, event) is not None:
        return
    services, enrollment = passage.services, passage.enrollment
    if services.ingest is None:
        raise JourneyError("this process cannot store events")
    is_self = user_id is None or user_id == enrollment.user_id
    pinned = enrollment.contact_id if is_self else None
    new = NewEvent(
        name=event,
        contact_id=pinned,
        external_id=None if pinned else (user_id or enrollment.user_id),
        email=normalize_email(email) if email else None,
        properties=cast(
            JsonObject, as_stored(f"the properties of {event!r}", dict(properties or {}))
        ),
        value=None if value is None else Decimal(str(value)),
        currency=currency,
        source="journey",
        idempotency_key=f"journeyTrigger:{enrollment.id}:{site}:{event}",
        may_create=not is_self or bool(email),
    )
    await passage.persist()
    await services.offload.effect(services.ingest, new)
    passage.keep(key, "trigger", None)
    passage.log("trigger", f"trigger:{event}")
