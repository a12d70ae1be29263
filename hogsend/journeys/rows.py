"""Enrollments as the database gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from hogsend.journeys.models import Enrollment, ResolvedWait, Step


def to_enrollment(
    columns: Sequence[Any], *, state_id: UUID, journey_id: str, outbox_id: int = 0
) -> Enrollment:
    """What ``hogsend.begin_advances_v2`` answers behind the state's id: from ``generation`` to
    ``wait``. A wait that is still open is left out; ``outbox_id`` 0 is nobody's."""
    (
        generation,
        attempt,
        user_id,
        user_email,
        contact_id,
        context,
        version_hash,
        trigger_event_id,
        created_at,
        ready_at,
        began_at,
        retrying_since,
        contact_name,
        timezone,
        property_timezone,
        steps,
        wait,
    ) = columns
    is_resolved = wait is not None and wait["outcome"] is not None
    return Enrollment(
        outbox_id=outbox_id,
        id=state_id,
        generation=generation,
        attempt=attempt,
        journey_id=journey_id,
        user_id=user_id,
        user_email=user_email,
        contact_id=contact_id,
        properties=context,
        version_hash=version_hash,
        trigger_event_id=trigger_event_id,
        created_at=created_at,
        ready_at=ready_at,
        began_at=began_at,
        retrying_since=retrying_since,
        contact_name=contact_name,
        timezone=timezone,
        property_timezone=property_timezone,
        steps=[Step(key=key, kind=kind, value=value) for key, kind, value in steps or ()],
        wait=_to_wait(wait) if is_resolved else None,
    )


def _to_wait(wait: Mapping[str, Any]) -> ResolvedWait:
    return ResolvedWait(
        key=wait["key"],
        kind=wait["kind"],
        label=wait["label"],
        outcome=wait["outcome"],
        opened_at=datetime.fromisoformat(wait["opened_at"]),
        resolved_at=datetime.fromisoformat(wait["outcome_at"]),
        event_id=UUID(wait["event_id"]) if wait["event_id"] else None,
        value=wait["value"] or {},
    )
