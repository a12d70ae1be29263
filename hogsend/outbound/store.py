"""Typed access to ``outbound_events``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.kernel.wire_json import JsonObject, JsonValue, iso_z
from hogsend.outbound.models import HitPromise, OutboundEvent

_Q = QueryFile(__package__, "outbound.sql")
FIRST = UUID(int=0)


def promise(
    db: Executor,
    event: str,
    data: JsonObject,
    *,
    at: datetime,
    contact_id: UUID | None = None,
    send_id: UUID | None = None,
    dedupe_key: str | None = None,
) -> bool:
    """Write one promise; False when its key was promised before."""
    rows = db.run(
        _Q["promise"],
        type=event,
        contact_id=contact_id,
        send_id=send_id,
        data=data,
        at=at,
        dedupe_key=dedupe_key,
    )
    return bool(rows[0][0])


def promise_hits(db: Executor, hits: Sequence[HitPromise]) -> int:
    """Write promises about opens and clicks; answers how many are new."""
    return len(db.run(_Q["promise_hits"], hits=[_as_json(hit) for hit in hits]))


def list_promised(db: Executor, *, after: UUID = FIRST, limit: int = 100) -> list[OutboundEvent]:
    """A page in the order of promising, beginning behind the id ``after``."""
    return [
        OutboundEvent(
            id=id_, type=type_, contact_id=contact_id, send_id=send_id, payload=payload,
            occurred_at=occurred_at, dedupe_key=dedupe_key,
        )
        for id_, type_, contact_id, send_id, payload, occurred_at, dedupe_key in db.run(
            _Q["list_promised"], after=after, limit=limit
        )
    ]  # fmt: skip


def _as_json(hit: HitPromise) -> JsonValue:
    data: JsonObject = {}
    if hit.link_id is not None:
        data = {"linkUrl": hit.url, "linkId": str(hit.link_id)}
    return {
        "type": hit.type,
        "send": str(hit.send_id),
        "at": iso_z(hit.at),
        "key": hit.dedupe_key,
        "data": data,
    }
