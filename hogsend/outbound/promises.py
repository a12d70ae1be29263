"""Promises outbound events where things happen."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hogsend.db import Executor
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject
from hogsend.outbound import store
from hogsend.outbound.models import HitPromise

# Happens to a person once: a repetition is a mistake of ours.
_ONCE = ("contact.created", "contact.deleted")


class Promises:
    """The ``Announcer`` of contacts and preferences, and what tracking tells of hits.

    ``email.sent``, ``.delivered``, ``.bounced`` and ``.complained`` need no call: a trigger on
    ``email_sends`` promises them in the transaction that writes the instant.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def announce(self, tx: Executor, event: str, contact_id: UUID, data: JsonObject) -> None:
        """Promise one event; commits and rolls back with ``tx``."""
        store.promise(
            tx,
            event,
            data,
            at=self._clock.now(),
            contact_id=contact_id,
            dedupe_key=f"{event}:{contact_id}" if event in _ONCE else None,
        )

    def promise_hits(self, db: Executor, hits: Sequence[HitPromise]) -> int:
        """Promise opens and clicks in one statement; the same hits again promise nothing."""
        return store.promise_hits(db, hits) if hits else 0
