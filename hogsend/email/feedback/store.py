"""Typed access to provider reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.email.feedback.base import Feedback

_Q = QueryFile(__package__, "feedback.sql")

Outcome = Literal["applied", "duplicate", "unmatched", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionPolicy:
    """``threshold`` permanent bounces stop an address; ``exempt`` (the test inbox) never is."""

    threshold: int = 1
    exempt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendContext:
    """A send as events tell it; ``external_id`` or else ``email`` says whose it was."""

    id: UUID
    external_id: str | None
    email: str | None
    template: str | None
    journey_id: str | None
    campaign_id: str | None
    message_id: str | None
    to: str


def receive_feedback(
    db: Executor, feedback: Feedback, *, id: UUID, policy: SuppressionPolicy
) -> Outcome:
    """Store and apply a report; ``duplicate`` when its key is known."""
    rows = db.run(
        _Q["receive_feedback"],
        id=id,
        provider=feedback.provider,
        event_key=feedback.event_key,
        type=feedback.type,
        message_id=feedback.message_id,
        send_id=feedback.send_id,
        recipients=list(feedback.recipients),
        bounce_class=feedback.bounce_class,
        bounce_code=feedback.bounce_code,
        reason=feedback.reason,
        payload=feedback.raw,
        occurred_at=feedback.occurred_at,
        threshold=policy.threshold,
        exempt=policy.exempt,
    )
    return cast(Outcome, rows[0][0])


def apply_feedback(db: Executor, feedback_id: UUID, *, policy: SuppressionPolicy) -> Outcome:
    """Try a stored report again; ``done`` when it was applied before or is gone."""
    rows = db.run(
        _Q["apply_feedback"], id=feedback_id, threshold=policy.threshold, exempt=policy.exempt
    )
    return cast(Outcome, rows[0][0])


def load_sends(db: Executor, ids: Iterable[UUID]) -> dict[UUID, SendContext]:
    """The sends that exist, by id."""
    rows = db.run(_Q["load_sends"], ids=[str(send_id) for send_id in ids])
    return {
        row[0]: SendContext(
            id=row[0],
            external_id=row[1],
            email=row[2],
            template=row[3],
            journey_id=row[4],
            campaign_id=row[5],
            message_id=row[6],
            to=row[7],
        )
        for row in rows
    }
