"""Typed reads of preferences and suppressions."""

from __future__ import annotations

from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.preferences.models import Consent

_Q = QueryFile(__package__, "preferences.sql")


def get_consent(
    db: Executor, email: str, *, contact_id: UUID | None = None, category: str | None = None
) -> Consent:
    """What this person allows; ``email`` is normalised. No row means everything is allowed."""
    suppressed, unsubscribed, category_refused = db.run(
        _Q["get_consent"], email=email, contact_id=contact_id, category=category
    )[0]
    return Consent(
        suppressed=suppressed, unsubscribed=unsubscribed, category_refused=category_refused
    )
