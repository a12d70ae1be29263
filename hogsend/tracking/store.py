"""Typed access to links, clicks and opens; one round trip each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.kernel.wire_json import JsonValue
from hogsend.tracking.models import Answer, Followed, HitContext, HitPolicy, Reader, Visitor

_Q = QueryFile(__package__, "tracking.sql")
_AGENT_CHARACTERS = 512


def record_click(
    db: Executor,
    link_id: UUID,
    visitor: Visitor,
    *,
    click_id: UUID,
    at: datetime,
    policy: HitPolicy,
) -> Followed | None:
    """Record one request for a link; None when there is no such link."""
    rows = db.run(
        _Q["record_click"],
        click_id=click_id,
        link_id=link_id,
        machine=visitor.machine,
        ip=visitor.ip,
        user_agent=visitor.user_agent[:_AGENT_CHARACTERS],
        at=at,
        burst_links=policy.burst_links,
        burst_seconds=policy.burst_seconds,
        hold_seconds=policy.hold_seconds,
        answer_seconds=policy.answer_seconds,
    )
    if not rows:
        return None
    url, send_id, distinct_id, source, machine = rows[0]
    return Followed(
        url=url, send_id=send_id, distinct_id=distinct_id, source=source, machine=machine
    )


def find_target(db: Executor, link_id: UUID) -> str | None:
    """Where a link leads; records nothing."""
    rows = db.run(_Q["find_target"], link_id=link_id)
    return str(rows[0][0]) if rows else None


def record_open(
    db: Executor, send_id: UUID, visitor: Visitor, *, hit_id: UUID, at: datetime
) -> bool:
    """Record one request for the pixel; False when there is no such send."""
    rows = db.run(
        _Q["record_open"],
        hit_id=hit_id,
        send_id=send_id,
        machine=visitor.machine,
        ip=visitor.ip,
        user_agent=visitor.user_agent[:_AGENT_CHARACTERS],
        at=at,
    )
    return bool(rows[0][0])


def load_hits(db: Executor, hits: Sequence[JsonValue]) -> list[HitContext]:
    """The contexts of ``{"send", "link", "click"}`` objects; hits that turned out to be a
    machine's are left out."""
    return [
        HitContext(
            position=row[0],
            reader=Reader(external_id=row[1], email=row[2]),
            send_id=row[3],
            template=row[4],
            journey_id=row[5],
            campaign_id=row[6],
            link_id=row[7],
            url=row[8],
            event=row[9],
            event_properties=row[10] or {},
            clicked_at=row[11],
        )
        for row in db.run(_Q["load_hits"], hits=list(hits))
    ]


def count_followed_links(
    db: Executor, send_id: UUID, *, at: datetime, around_seconds: float
) -> int:
    """Different links of a mail that anybody or anything followed around ``at``."""
    rows = db.run(_Q["count_followed_links"], send_id=send_id, at=at, around_seconds=around_seconds)
    return int(rows[0][0])


def mark_answered(db: Executor, link_id: UUID, *, at: datetime) -> bool:
    """Note that an answer became an event; False when that was noted before."""
    return bool(db.run(_Q["mark_answered"], link_id=link_id, at=at))


def find_answer(db: Executor, link_id: UUID) -> Answer | None:
    """The answer a link stands for; None for an ordinary or unknown link."""
    rows = db.run(_Q["find_answer"], link_id=link_id)
    if not rows:
        return None
    event, properties, send_id, external_id, email = rows[0]
    return Answer(
        event=event,
        properties=properties,
        send_id=send_id,
        reader=Reader(external_id=external_id, email=email),
    )


def find_send_key(db: Executor, send_id: UUID) -> str | None:
    """The key by which a website may know the reader of a mail."""
    rows = db.run(_Q["find_send_key"], send_id=send_id)
    return rows[0][0] if rows else None
