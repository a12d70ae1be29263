"""The send ledger: one row per mail, claimed with a lease, settled once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.db.errors import DatabaseUnavailable
from hogsend.email.models import SendResult, SendStatus
from hogsend.kernel.wire_json import JsonObject, JsonValue

_Q = QueryFile(__package__, "email.sql")

# The provider had said yes in each of them.
_SENT = frozenset({"sent", "delivered", "opened", "clicked", "bounced", "complained"})
_FINAL: dict[str, SendStatus] = {
    "suppressed": "suppressed",
    "failed": "failed",
    "unknown": "unknown",
}
_REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSend:
    """A mail that wants its ledger row. ``intended_to`` is the person, ``to`` the wire address."""

    id: UUID
    token: UUID
    template: str
    sender: str
    to: str
    intended_to: str
    subject: str
    category: str | None
    provider: str
    idempotency_key: str | None
    user_id: str | None
    contact_id: UUID | None
    journey_state_id: UUID | None
    metadata: JsonObject
    gates: list[JsonValue]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What the ledger says. ``is_mine``: this caller holds the lease and must hand over now.

    ``is_uncertain``: an earlier hand-over of the same row was never answered.
    """

    id: UUID
    status: str
    reason: str | None
    message_id: str | None
    created_at: datetime
    is_mine: bool
    is_uncertain: bool

    def to_result(self) -> SendResult:
        """The recorded outcome; a row somebody else works on is ``held``."""
        status: SendStatus = "sent" if self.status in _SENT else _FINAL.get(self.status, "held")
        return SendResult(
            status=status, reason=self.reason, send_id=self.id, message_id=self.message_id
        )


class Ledger:
    """Claims and settles rows of ``email_sends``; thread-safe, each call is one statement."""

    def __init__(self, db: Executor, *, lease: timedelta, recognised_for: timedelta | None) -> None:
        self._db = db
        self._lease_seconds = lease.total_seconds()
        self._recognised = recognised_for.total_seconds() if recognised_for else None

    def claim(self, send: NewSend) -> LedgerRow:
        """Ask the gates and take the row; a queued row that is mine counts as handed over."""
        rows = self._db.run(
            _Q["claim_send"],
            id=send.id,
            token=send.token,
            template=send.template,
            sender=send.sender,
            to=send.to,
            intended_to=send.intended_to,
            subject=send.subject,
            category=send.category,
            provider=send.provider,
            idempotency_key=send.idempotency_key,
            user_id=send.user_id,
            contact_id=send.contact_id,
            journey_state_id=send.journey_state_id,
            metadata=send.metadata,
            gates=send.gates,
            created_at=send.created_at,
            lease_seconds=self._lease_seconds,
            recognised_seconds=self._recognised,
        )
        if rows:
            return _to_row(rows[0])
        # Another driver inserted the key after this statement took its snapshot.
        return self.find(send.idempotency_key) or self.claim(send)

    def find(self, idempotency_key: str | None) -> LedgerRow | None:
        """The recorded send of a key, None without key or row."""
        if idempotency_key is None:
            return None
        rows = self._db.run(_Q["find_by_key"], idempotency_key=idempotency_key)
        return _to_row(rows[0]) if rows else None

    def settle_sent(self, send_id: UUID, *, message_id: str, sent_at: datetime) -> bool:
        """Record the provider's yes; False when the row had moved on already.

        Tried twice: a yes that is not recorded becomes doubt, and the statement may safely repeat.
        """
        values = {"id": send_id, "message_id": message_id, "sent_at": sent_at}
        try:
            rows = self._db.run(_Q["settle_sent"], **values)
        except DatabaseUnavailable:
            rows = self._db.run(_Q["settle_sent"], **values)
        return bool(rows)

    def settle_unsent(
        self,
        send_id: UUID,
        *,
        token: UUID,
        status: Literal["queued", "failed", "unknown"],
        reason: str,
        keeps_hand_over: bool,
        settled_at: datetime,
    ) -> bool:
        """Give the lease back with any outcome but yes; False when the lease was lost."""
        rows = self._db.run(
            _Q["settle_unsent"],
            id=send_id,
            token=token,
            status=status,
            reason=reason[:_REASON_CHARACTERS],
            keeps_hand_over=keeps_hand_over,
            settled_at=settled_at,
        )
        return bool(rows)


def _to_row(row: tuple[Any, ...]) -> LedgerRow:
    is_mine, is_uncertain, send_id, status, reason, message_id, created_at = row
    return LedgerRow(
        id=send_id,
        status=status,
        reason=reason,
        message_id=message_id,
        created_at=created_at,
        is_mine=is_mine,
        is_uncertain=is_uncertain,
    )
