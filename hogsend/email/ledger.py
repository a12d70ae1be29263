"""The send ledger: one row per mail, claimed with a lease, settled once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.db.errors import DatabaseUnavailable
from hogsend.email.ledger_rows import LedgerRow, NewSend, OpenRequest, Settled
from hogsend.email.templates.models import MailLink
from hogsend.kernel.wire_json import JsonObject, JsonValue, dumps

_Q = QueryFile(__package__, "email.sql")

ClaimMode = Literal["send", "enqueue", "resume"]

_REASON_CHARACTERS = 500


class Ledger:
    """Claims and settles rows of ``email_sends``; thread-safe, each call is one statement."""

    def __init__(self, db: Executor, *, lease: timedelta, recognised_for: timedelta | None) -> None:
        self._db = db
        self._lease_seconds = lease.total_seconds()
        self._recognised = recognised_for.total_seconds() if recognised_for else None

    def claim(
        self,
        send: NewSend,
        *,
        links: Sequence[MailLink] = (),
        mode: ClaimMode = "send",
        priority: int = 2,
    ) -> LedgerRow | None:
        """Ask the gates and take the row; a queued row that is mine counts as handed over.

        None only in ``resume``: the row is gone.
        """
        rows = self._db.run(
            _Q["claim_send"],
            send=_storable(self._to_json(send, links, mode=mode, priority=priority)),
        )
        return _to_row(rows[0]) if rows else None

    def claim_many(
        self, sends: Sequence[tuple[NewSend, Sequence[MailLink]]], *, mode: ClaimMode = "send"
    ) -> list[LedgerRow | None]:
        """The same in one round trip; one answer per send, in order.

        More than one send counts as handed over in a batch.
        """
        if not sends:
            return []
        payload: list[JsonValue] = [
            self._to_json(send, links, mode=mode, priority=2, in_batch=len(sends) > 1)
            for send, links in sends
        ]
        found: list[LedgerRow | None] = [None] * len(sends)
        for row in self._db.run(_Q["claim_sends"], sends=_storable(payload)):
            found[int(row[0]) - 1] = _to_row(row[1:])
        return found

    def find(self, idempotency_key: str | None) -> LedgerRow | None:
        """The recorded send of a key, None without key or row."""
        if idempotency_key is None:
            return None
        rows = self._db.run(_Q["find_by_key"], idempotency_key=idempotency_key)
        return _to_row(rows[0]) if rows else None

    def keep_links(self, send_id: UUID, links: Sequence[MailLink]) -> None:
        """Store the links of a row that is driven again; links it has already are kept."""
        if links:
            self._db.run(_Q["keep_links"], id=send_id, links=[_link_json(x) for x in links])

    def load_requests(self, ids: Sequence[UUID]) -> dict[UUID, OpenRequest]:
        """What was asked, for rows that are still open and can be driven from the row."""
        rows = self._db.run(_Q["load_requests"], ids=[str(send_id) for send_id in ids])
        return {
            row[0]: OpenRequest(
                send_id=row[0], idempotency_key=row[1], created_at=row[2], request=row[3]
            )
            for row in rows
        }

    def settle_sent(self, settled: Sequence[Settled]) -> bool:
        """Record the provider's yes; False when a row is gone.

        Tried twice: a yes that is not recorded becomes doubt, and the statement may safely repeat.
        """
        if not settled:
            return True
        sends = [
            {"id": str(s.send_id), "message_id": s.message_id, "sent_at": s.sent_at.isoformat()}
            for s in settled
        ]
        try:
            rows = self._db.run(_Q["settle_sent"], sends=sends)
        except DatabaseUnavailable:
            rows = self._db.run(_Q["settle_sent"], sends=sends)
        return len(rows) == len(settled)

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

    def _to_json(
        self,
        send: NewSend,
        links: Sequence[MailLink],
        *,
        mode: ClaimMode,
        priority: int,
        in_batch: bool = False,
    ) -> JsonObject:
        return {
            "in_batch": in_batch,
            "id": str(send.id),
            "token": str(send.token),
            "mode": mode,
            "priority": priority,
            "template": send.template,
            "sender": send.sender,
            "to": send.to,
            "intended_to": send.intended_to,
            "subject": send.subject,
            "category": send.category,
            "provider": send.provider,
            "idempotency_key": send.idempotency_key,
            "user_id": send.user_id,
            "contact_id": _text(send.contact_id),
            "journey_state_id": _text(send.journey_state_id),
            "campaign_id": _text(send.campaign_id),
            "metadata": send.metadata,
            "request": send.request,
            "gates": send.gates,
            "links": [_link_json(link) for link in links],
            "created_at": send.created_at.isoformat(),
            "lease_seconds": self._lease_seconds,
            "recognised_seconds": self._recognised,
        }


def _storable(value: JsonValue) -> str:
    """JSON text PostgreSQL can store: it has no place for NUL, and a mail no use for it."""
    text = dumps(value)
    return dumps(_without_nul(value)) if "\\u0000" in text else text


def _without_nul(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(entry) for entry in value]
    if isinstance(value, dict):
        return {name.replace("\0", ""): _without_nul(entry) for name, entry in value.items()}
    return value


def _link_json(link: MailLink) -> JsonObject:
    metadata: Mapping[str, JsonValue] = link.metadata
    return {
        "id": str(link.id),
        "url": link.url,
        "position": link.position,
        "metadata": dict(metadata),
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


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
