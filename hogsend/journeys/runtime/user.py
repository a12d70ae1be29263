"""The person a journey is about, as its function sees them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hogsend.journeys.meta import JourneyMeta
from hogsend.journeys.models import Enrollment
from hogsend.kernel.wire_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyUser:
    """``id`` is the person's key when they entered; ``email`` is empty when nobody knows one.

    ``properties`` are the scalar properties of the event that started the journey, as they came.
    """

    id: str
    email: str
    properties: JsonObject
    state_id: UUID
    journey_id: str
    journey_name: str
    contact_id: UUID | None


def to_user(enrollment: Enrollment, meta: JourneyMeta) -> JourneyUser:
    """The user of an enrollment; a fresh object for every replay."""
    return JourneyUser(
        id=enrollment.user_id,
        email=enrollment.user_email,
        properties={k: v for k, v in enrollment.properties.items() if not k.startswith("__")},
        state_id=enrollment.id,
        journey_id=meta.id,
        journey_name=meta.name,
        contact_id=enrollment.contact_id,
    )
