"""The same idempotency key with another event: refused, and the difference named."""

from __future__ import annotations

from hogsend.db.errors import DatabaseError
from hogsend.errors import Conflict

# Raised by hogsend.check_repeat_v1; the message is the list of fields that differ.
_REUSED = "HG409"


def reused_key(error: DatabaseError) -> Conflict | None:
    """What the caller is told when the database refused a reused key; None for other errors.

    Nothing of such a request was written: the transaction was rolled back.
    """
    if error.sqlstate != _REUSED:
        return None
    return Conflict(
        f"The idempotency key was used for another event; different: {error.message}",
        code="idempotency_key_reused",
        hint="use a new key for a new event",
    )
