"""Pauses: sleeping, and waiting for an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from hogsend.conditions.json_form import to_json
from hogsend.conditions.model import Condition, PropertyCondition, leaves
from hogsend.journeys.meta import LONGEST_WAIT
from hogsend.journeys.models import NewWait, Step, WaitKind
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError
from hogsend.kernel import durations
from hogsend.kernel.wire_json import JsonValue, dumps, iso_z

_Due: TypeAlias = Callable[[datetime], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a wait for an event brought; false when the time ran out.

    ``actor_user_id`` is who did it, for waits on a group.
    """

    timed_out: bool
    properties: Mapping[str, JsonValue] = field(default_factory=dict)
    occurred_at: datetime | None = None
    actor_user_id: str | None = None

    def __bool__(self) -> bool:
        return not self.timed_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Nap:
    """When a sleep began and ended."""

    slept_at: datetime
    resumed_at: datetime


async def sleep(passage: Passage, duration: timedelta, label: str | None) -> Nap:
    """Pause for ``duration``."""
    seconds = check_span("ctx.sleep", duration)
    label = label or f"wait:{dumps(durations.to_wire(duration))}"
    value = await wait(passage, "sleep", label, lambda now: now + timedelta(seconds=seconds))
    return to_nap(value)


async def sleep_until(passage: Passage, target: datetime | str, label: str | None) -> Nap:
    """Pause until an instant; one that has passed does not pause for long."""
    if isinstance(target, str):
        target = _parse(target)
    if not isinstance(target, datetime) or target.tzinfo is None:
        raise JourneyError("ctx.sleep_until takes an aware datetime or an ISO-8601 text with zone")
    at = target.astimezone(UTC)
    if at - passage.real_now() > LONGEST_WAIT:
        raise JourneyError(f"ctx.sleep_until: {at.isoformat()} is more than a year away")
    value = await wait(passage, "sleep", label or f"wait-until:{iso_z(at)}", lambda now: at)
    return to_nap(value)


async def wait_for(
    passage: Passage,
    event: str,
    *,
    timeout: timedelta,
    label: str | None,
    where: Condition | Sequence[Condition] | None,
    lookback: timedelta | None,
    group: tuple[str, str] | None,
) -> Answer:
    """Pause until the event comes or the time runs out."""
    if not isinstance(event, str) or not event.strip():
        raise JourneyError("ctx.wait_for needs the exact name of an event")
    seconds = check_span("the timeout of ctx.wait_for", timeout)
    look_back = None if lookback is None else check_span("the lookback of ctx.wait_for", lookback)
    value = await wait(
        passage,
        "event",
        label or f"wait-event:{event}",
        lambda now: now + timedelta(seconds=seconds),
        event=event,
        predicate=to_predicate(where),
        lookback_seconds=look_back,
        group=group,
    )
    return to_answer(value)


async def wait(
    passage: Passage,
    kind: WaitKind,
    label: str,
    due: _Due,
    *,
    event: str | None = None,
    predicate: JsonValue = None,
    lookback_seconds: float | None = None,
    group: tuple[str, str] | None = None,
) -> Mapping[str, JsonValue]:
    """The outcome of this place's wait; opens it and ends the advance when there is none yet."""
    key = passage.journal.next_key("wait", label)
    step = passage.find(key)
    if step is None:
        now = passage.real_now()
        passage.log("wait" if event else "sleep", label)
        await passage.pause(
            NewWait(
                key=key,
                kind=kind,
                label=label,
                due_at=due(now),
                opened_at=now,
                event=event,
                predicate=predicate,
                group_type=group[0] if group else None,
                group_key=group[1] if group else None,
                since=passage.enrollment.ready_at,
                cause=passage.enrollment.cause_event_id,
                lookback_seconds=lookback_seconds,
            )
        )
    return resume(passage, step, key)


def resume(passage: Passage, step: Step, key: str) -> Mapping[str, JsonValue]:
    """Go on behind a resolved wait: its end becomes "now" and its key the site of effects."""
    assert isinstance(step.value, dict)
    label = key.removeprefix("wait:")
    if any(fresh.key == key for fresh in passage.journal.fresh):
        passage.log("resume", label, outcome=step.value["outcome"])
    passage.calls.has_paused()
    passage.node = passage.site = label
    passage.now = datetime.fromisoformat(str(step.value["at"]))
    return step.value


def _parse(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise JourneyError(f"ctx.sleep_until: {text!r} is no ISO-8601 instant") from error


def check_span(what: str, span: timedelta, *, longest: timedelta = LONGEST_WAIT) -> float:
    """Seconds of a span; raises JourneyError unless it is positive and at most ``longest``."""
    if not isinstance(span, timedelta):
        raise JourneyError(
            f"{what} must be a timedelta, not {type(span).__name__}",
            hint="write timedelta(days=2)",
        )
    if span <= timedelta(0):
        raise JourneyError(f"{what} must be longer than zero")
    if span > longest:
        is_wait = longest == LONGEST_WAIT
        raise JourneyError(
            f"{what} is longer than {'a year' if is_wait else f'{longest.days} days'}",
            hint="pause several times, each with a label of its own" if is_wait else None,
        )
    return span.total_seconds()


def to_predicate(where: Condition | Sequence[Condition] | None) -> JsonValue:
    """Conditions as stored in a wait; raises JourneyError for more than property tests."""
    if where is None:
        return None
    conditions = [where] if isinstance(where, Condition) else where
    for condition in conditions if isinstance(conditions, list | tuple) else [None]:
        if not isinstance(condition, Condition) or not all(
            isinstance(leaf, PropertyCondition) for leaf in leaves(condition)
        ):
            raise JourneyError("where takes property conditions, such as prop('plan') == 'pro'")
    return [to_json(condition) for condition in conditions] or None


def to_answer(value: Mapping[str, JsonValue]) -> Answer:
    """A recorded outcome as authors see it; properties are scalars."""
    if value["outcome"] != "event":
        return Answer(timed_out=True)
    properties = value.get("properties")
    occurred = value.get("occurredAt")
    actor = value.get("actorUserId")
    return Answer(
        timed_out=False,
        properties={
            k: v
            for k, v in (properties if isinstance(properties, dict) else {}).items()
            if not isinstance(v, dict | list)
        },
        occurred_at=datetime.fromisoformat(occurred) if isinstance(occurred, str) else None,
        actor_user_id=actor if isinstance(actor, str) else None,
    )


def to_nap(value: Mapping[str, JsonValue]) -> Nap:
    """A recorded sleep as authors see it."""
    return Nap(
        slept_at=datetime.fromisoformat(str(value["openedAt"])),
        resumed_at=datetime.fromisoformat(str(value["at"])),
    )
