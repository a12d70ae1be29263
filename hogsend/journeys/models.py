"""What travels between the database and a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from hogsend.kernel.wire_json import JsonObject, JsonValue

Verdict: TypeAlias = Literal["run", "skipped", "held_out", "exited", "gone"]
WaitKind: TypeAlias = Literal["sleep", "event", "digest", "quiet_hours", "rate_limited"]
Ending: TypeAlias = Literal["waiting", "completed", "exited", "failed", "retry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One enrollment of an engine run: ``state_id`` goes on, ``event_id`` starts."""

    outbox_id: int
    state_id: UUID | None
    event_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of the journal."""

    key: str
    kind: str
    value: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedWait:
    """How the pause that this advance follows ended; ``value`` describes the event, if any."""

    key: str
    kind: WaitKind
    label: str
    outcome: Literal["event", "timeout", "skipped"]
    opened_at: datetime
    resolved_at: datetime
    event_id: UUID | None
    value: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """A claimed enrollment with everything its replay needs.

    ``properties`` are the scalars of the trigger. ``ready_at`` is when this advance became due, or
    the event behind it arrived, and stays the same over its attempts: what arrived since then has
    not been seen by the journey. ``began_at`` is the database's clock at the claim,
    ``retrying_since`` when this advance first went wrong, ``property_timezone`` what the person's
    property ``timezone`` says.
    """

    outbox_id: int
    id: UUID
    generation: int
    attempt: int
    journey_id: str
    user_id: str
    user_email: str
    contact_id: UUID | None
    properties: JsonObject
    version_hash: str | None
    trigger_event_id: UUID | None
    created_at: datetime
    ready_at: datetime
    began_at: datetime
    contact_name: str | None
    timezone: str | None
    steps: Sequence[Step]
    wait: ResolvedWait | None
    retrying_since: datetime | None = None
    property_timezone: str | None = None

    @property
    def cause_event_id(self) -> UUID | None:
        """The event that made this advance due."""
        return self.wait.event_id if self.wait is not None else self.trigger_event_id

    @property
    def origin_event_id(self) -> UUID | None:
        """The event to follow this advance back to; the trigger when only time has passed."""
        return self.cause_event_id or self.trigger_event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The answer for one item; ``enrollment`` is there when the verdict is ``run``.

    ``state_id`` names the row of the verdicts run, held_out and exited.
    """

    outbox_id: int
    verdict: Verdict
    reason: str | None
    state_id: UUID | None
    enrollment: Enrollment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWait:
    """A pause to be opened. ``since``: events from then on count although the wait opens later.

    ``due_at`` None never happens: every pause has an end. ``lookback_seconds`` also accepts events
    from before ``opened_at``, the newest one first.
    """

    key: str
    kind: WaitKind
    label: str
    due_at: datetime
    opened_at: datetime
    event: str | None = None
    predicate: JsonValue = None
    group_type: str | None = None
    group_key: str | None = None
    since: datetime | None = None
    cause: UUID | None = None
    lookback_seconds: float | None = None

    def to_json(self) -> JsonObject:
        """The shape of ``hogsend.settle_advances_v2``."""
        return {
            "key": self.key,
            "kind": self.kind,
            "label": self.label,
            "due_at": self.due_at.isoformat(),
            "opened_at": self.opened_at.isoformat(),
            "event": self.event,
            "predicate": self.predicate,
            "group_type": self.group_type,
            "group_key": self.group_key,
            "since": None if self.since is None else self.since.isoformat(),
            "cause": None if self.cause is None else str(self.cause),
            "lookback_seconds": self.lookback_seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A line of the enrollment's history for people."""

    action: str
    from_node: str | None = None
    to_node: str | None = None
    detail: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Everything one advance leaves behind; written together or not at all.

    ``retry`` keeps the enrollment where it is and makes it due again ``after_seconds``; it uses up
    an attempt if ``is_counted``.
    ``variants`` are arms drawn in this advance; ``announcement`` is an event about the end that
    somebody listens to (see hogsend.journeys.announce).
    """

    enrollment: Enrollment
    status: Ending
    node: str | None = None
    error: str | None = None
    reason: str | None = None
    after_seconds: float | None = None
    is_counted: bool = True
    first_seq: int = 0
    steps: Sequence[Step] = ()
    wait: NewWait | None = None
    logs: Sequence[LogEntry] = field(default=())
    variants: Mapping[str, str] = field(default_factory=dict)
    announcement: JsonObject | None = None

    def to_json(self) -> JsonObject:
        """The shape of ``hogsend.settle_advances_v2``."""
        return {
            "outbox": self.enrollment.outbox_id,
            "state": str(self.enrollment.id),
            "generation": self.enrollment.generation,
            "status": self.status,
            "node": self.node,
            "error": self.error,
            "reason": self.reason,
            "after_seconds": self.after_seconds,
            "is_counted": self.is_counted,
            "steps": steps_json(self.steps, first_seq=self.first_seq),
            "wait": self.wait.to_json() if self.wait is not None else None,
            "variants": dict(self.variants) or None,
            "announcement": self.announcement,
            "logs": logs_json(self.logs),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """``is_settled`` False: somebody else owns the enrollment now, or it is over; nothing was
    written. ``is_woken``: an event had come already, the wait is resolved."""

    outbox_id: int
    is_settled: bool
    is_woken: bool


def steps_json(steps: Sequence[Step], *, first_seq: int) -> list[JsonValue]:
    """Steps as the database functions take them."""
    return [
        {"key": s.key, "seq": first_seq + n, "kind": s.kind, "value": s.value}
        for n, s in enumerate(steps)
    ]


def logs_json(logs: Sequence[LogEntry]) -> list[JsonValue]:
    """Log lines as the database functions take them."""
    return [
        {"from": e.from_node, "to": e.to_node, "action": e.action, "detail": e.detail} for e in logs
    ]
