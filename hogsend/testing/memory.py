"""What ``hogsend.journeys.store`` and the functions behind it do, over objects in memory.

The names and answers are those of the real thing, so the runtime cannot tell the difference; an
integration test plays the same histories on both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hogsend.conditions import evaluate, list_from_json
from hogsend.journeys.holdout import is_held_out
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import (
    Begun,
    Enrollment,
    Item,
    LogEntry,
    NewWait,
    Settled,
    Settlement,
    Step,
)
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.wire_json import JsonObject, JsonValue, iso_z
from hogsend.testing.people import OpenWait, Passenger, PastEvent, Person, Promise

# Events of a group that arrived before the wait are looked for no further back than this.
_ARRIVAL_SLACK = timedelta(days=1)


class Memory:
    """People, events, enrollments, waits and promised work of one world.

    ``skips`` are refusals that write a row, ``refusals`` all of them: journey, person, reason.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.people: list[Person] = []
        self.events: list[PastEvent] = []
        self.passengers: dict[UUID, Passenger] = {}
        self.promises: dict[int, Promise] = {}
        self.skips: list[tuple[str, Person, str]] = []
        self.refusals: list[tuple[str, Person, str]] = []
        self.switched_off: set[str] = set()
        self._numbers = 0

    def person(self, user_id: str, **fields: Any) -> Person:
        """Somebody by user id, made when they do not exist; ``fields`` are those of Person."""
        found = next((p for p in self.people if p.user_id == user_id), None)
        if found is None:
            found = Person(user_id=user_id, **fields)
            self.people.append(found)
        return found

    def promise(
        self,
        journey_id: str,
        *,
        passenger: Passenger | None = None,
        event: PastEvent | None = None,
    ) -> None:
        """A row of the outbox, due now."""
        self._numbers += 1
        self.promises[self._numbers] = Promise(
            id=self._numbers,
            journey_id=journey_id,
            due_at=self.clock.now(),
            passenger_id=passenger.id if passenger else None,
            event=event,
        )

    def begin_advances(
        self,
        journey: JourneyDefinition,
        items: Sequence[Item],
        *,
        holder: UUID,
        lease: timedelta,
        new_id: Callable[[], UUID],
    ) -> list[Begun]:
        """See ``hogsend.begin_advances_v2``."""
        return [
            self._begin(journey, self.promises[item.outbox_id], new_id)
            for item in items
            if item.outbox_id in self.promises
        ]

    def settle_advances(
        self, journey_id: str, settlements: Sequence[Settlement], *, holder: UUID
    ) -> list[Settled]:
        """See ``hogsend.settle_advances_v2``."""
        return [self._settle(settlement) for settlement in settlements]

    def record_steps(
        self,
        state_id: UUID,
        *,
        generation: int,
        steps: Sequence[Step],
        first_seq: int,
        logs: Sequence[LogEntry],
    ) -> bool:
        """See ``hogsend.journeys.store.record_steps``; the diary has what log lines would say."""
        passenger = self.passengers[state_id]
        if not passenger.is_live or passenger.generation != generation:
            return False
        self._record(passenger, steps)
        return True

    def wake_due(self) -> None:
        """Promise an advance to everybody whose wait is over."""
        for passenger in self.passengers.values():
            wait = passenger.wait
            if wait is not None and wait.outcome is None and wait.new.due_at <= self.clock.now():
                wait.outcome, wait.resolved_at = "timeout", self.clock.now()
                self.promise(passenger.journey_id, passenger=passenger)

    def next_due(self) -> datetime | None:
        """When something happens by itself, None when nothing will."""
        waits = (
            p.wait.new.due_at
            for p in self.passengers.values()
            if p.wait is not None and p.wait.outcome is None
        )
        return min((*waits, *(p.due_at for p in self.promises.values())), default=None)

    def leave(self, passenger: Passenger, reason: str) -> None:
        """An exit rule matched: the enrollment is over."""
        passenger.status, passenger.exit_reason = "exited", reason
        passenger.node, passenger.wait = "end-exited", None
        for promise in [p for p in self.promises.values() if p.passenger_id == passenger.id]:
            del self.promises[promise.id]

    def hear(self, event: PastEvent) -> list[Passenger]:
        """Resolve every wait for this event; answers whose."""
        woken = []
        for passenger in self.passengers.values():
            wait = passenger.wait
            if wait is not None and wait.outcome is None and _hears(passenger, wait.new, event):
                self._resolve(passenger, wait, event)
                woken.append(passenger)
        return woken

    def _begin(
        self, journey: JourneyDefinition, promise: Promise, new_id: Callable[[], UUID]
    ) -> Begun:
        if promise.passenger_id is not None:
            passenger = self.passengers[promise.passenger_id]
            wait = passenger.wait
            if not passenger.is_live or (passenger.status == "waiting" and not _is_over(wait)):
                del self.promises[promise.id]
                return _answer(promise, "gone")
            passenger.generation += 1
            if passenger.status == "waiting" and wait is not None and wait.resolved_at is not None:
                event = wait.event
                passenger.ready_at = (
                    wait.resolved_at
                    if event is None
                    else max(passenger.ready_at, event.received_at)
                )
            return self._run(promise, passenger)
        assert promise.event is not None
        reason = self._refuse(journey, promise.event)
        if reason is not None:
            del self.promises[promise.id]
            return self._turn_away(journey, promise, reason, new_id)
        passenger = self._enroll(journey, promise.event, "active", new_id)
        promise.passenger_id = passenger.id
        return self._run(promise, passenger)

    def _refuse(self, journey: JourneyDefinition, event: PastEvent) -> str | None:
        meta, person = journey.meta, event.person
        before = self._enrollments(journey, person)
        if not meta.enabled:
            return "journey_disabled"
        if meta.id in self.switched_off:
            return "journey_disabled_by_admin"
        if not evaluate(meta.trigger.where, scalars(event.properties)):
            return "trigger_conditions_not_met"
        if meta.entry.kind == "once" and before:
            return "already_entered_once"
        period = meta.entry.period
        if period is not None and any(p.created_at > self.clock.now() - period for p in before):
            return "period_not_elapsed"
        if person.unsubscribed:
            return "user_unsubscribed"
        holdout = meta.holdout
        if holdout is not None and is_held_out(
            meta.id, person.user_id, percent=holdout.percent, salt=holdout.salt
        ):
            return "held_out"
        return "already_active" if any(p.is_live for p in before) else None

    def _enrollments(self, journey: JourneyDefinition, person: Person) -> list[Passenger]:
        journey_id = journey.meta.id
        return [
            p for p in self.passengers.values() if p.journey_id == journey_id and p.person is person
        ]

    def _turn_away(
        self,
        journey: JourneyDefinition,
        promise: Promise,
        reason: str,
        new_id: Callable[[], UUID],
    ) -> Begun:
        assert promise.event is not None
        self.skips.append((journey.meta.id, promise.event.person, reason))
        self.refusals.append(self.skips[-1])
        if reason != "held_out":
            return _answer(promise, "skipped", reason)
        event = promise.event
        if not any(p.status == "held_out" for p in self._enrollments(journey, event.person)):
            self._enroll(journey, event, "held_out", new_id)  # one row per person, ever
        return _answer(promise, "held_out", reason)

    def _enroll(
        self,
        journey: JourneyDefinition,
        event: PastEvent,
        status: str,
        new_id: Callable[[], UUID],
    ) -> Passenger:
        passenger = Passenger(
            id=new_id(),
            person=event.person,
            journey_id=journey.meta.id,
            status="held_out" if status == "held_out" else "active",
            properties=scalars(event.properties),
            trigger=event,
            created_at=self.clock.now(),
            ready_at=event.received_at,
            version_hash=journey.version_hash,
        )
        self.passengers[passenger.id] = passenger
        return passenger

    def _run(self, promise: Promise, passenger: Passenger) -> Begun:
        person = passenger.person
        name = person.properties.get("firstName") or person.properties.get("name")
        timezone = person.properties.get("timezone")
        enrollment = Enrollment(
            outbox_id=promise.id,
            id=passenger.id,
            generation=passenger.generation,
            attempt=passenger.attempt,
            journey_id=passenger.journey_id,
            user_id=person.user_id,
            user_email=person.email,
            contact_id=person.contact_id,
            properties=dict(passenger.properties),
            version_hash=passenger.version_hash,
            trigger_event_id=passenger.trigger.id,
            created_at=passenger.created_at,
            ready_at=passenger.ready_at,
            began_at=self.clock.now(),
            contact_name=name if isinstance(name, str) else None,
            timezone=person.timezone,
            property_timezone=timezone if isinstance(timezone, str) else None,
            retrying_since=passenger.retrying_since,
            steps=tuple(passenger.steps),
            wait=passenger.wait.to_resolved() if passenger.wait else None,
        )
        return Begun(
            outbox_id=promise.id,
            verdict="run",
            reason=None,
            state_id=passenger.id,
            enrollment=enrollment,
        )

    def _settle(self, settlement: Settlement) -> Settled:
        passenger = self.passengers[settlement.enrollment.id]
        outbox_id = settlement.enrollment.outbox_id
        if not passenger.is_live or passenger.generation != settlement.enrollment.generation:
            self.promises.pop(outbox_id, None)
            return Settled(outbox_id=outbox_id, is_settled=False, is_woken=False)
        self._record(passenger, settlement.steps)
        passenger.node = settlement.node or passenger.node
        passenger.error = settlement.error
        if settlement.status == "retry":
            passenger.status = "active"
            passenger.attempt += settlement.is_counted
            passenger.retrying_since = passenger.retrying_since or self.clock.now()
            pause = timedelta(seconds=settlement.after_seconds or 0.0)
            self.promises[outbox_id].due_at = self.clock.now() + pause
            return Settled(outbox_id=outbox_id, is_settled=True, is_woken=False)
        del self.promises[outbox_id]
        passenger.status, passenger.attempt = settlement.status, 0
        passenger.retrying_since = None
        passenger.wait = None if settlement.wait is None else OpenWait(new=settlement.wait)
        if settlement.status == "completed":
            passenger.completed_at = self.clock.now()
        elif settlement.status == "exited":
            passenger.exit_reason = settlement.reason
        missed = self._missed(passenger)
        if missed is not None and passenger.wait is not None:
            self._resolve(passenger, passenger.wait, missed)
        return Settled(outbox_id=outbox_id, is_settled=True, is_woken=missed is not None)

    def _missed(self, passenger: Passenger) -> PastEvent | None:
        """The event that came before the wait for it was there."""
        wait = passenger.wait.new if passenger.wait is not None else None
        if wait is None or wait.event is None:
            return None
        since = wait.since or wait.opened_at
        reach = timedelta(seconds=wait.lookback_seconds or 0.0)
        found = [
            e
            for e in self.events
            if e.id != wait.cause
            and _hears(passenger, wait, e)
            and (
                (
                    e.received_at >= since
                    and (wait.group_type is None or e.occurred_at >= since - _ARRIVAL_SLACK)
                )
                or (wait.lookback_seconds is not None and e.occurred_at >= wait.opened_at - reach)
            )
        ]
        if wait.lookback_seconds is not None:
            return max(found, key=lambda e: e.occurred_at, default=None)
        return min(found, key=lambda e: e.received_at, default=None)

    def _resolve(self, passenger: Passenger, wait: OpenWait, event: PastEvent) -> None:
        wait.outcome, wait.event, wait.resolved_at = "event", event, self.clock.now()
        wait.value = {
            "properties": event.properties,
            "occurredAt": iso_z(event.occurred_at),
            "actorUserId": event.person.user_id,
        }
        self.promise(passenger.journey_id, passenger=passenger)

    def _record(self, passenger: Passenger, steps: Sequence[Step]) -> None:
        known = {step.key for step in passenger.steps}
        passenger.steps += [step for step in steps if step.key not in known]


def scalars(properties: JsonObject) -> JsonObject:
    """What a journey sees of its trigger; see ``hogsend.scalars_v1``."""
    return {
        key: value
        for key, value in properties.items()
        if not isinstance(value, dict | list) and not key.startswith("__")
    }


def _is_over(wait: OpenWait | None) -> bool:
    return wait is not None and wait.outcome is not None


def _hears(passenger: Passenger, wait: NewWait, event: PastEvent) -> bool:
    if wait.event != event.name:
        return False
    if wait.group_type is not None:
        is_about = event.groups.get(wait.group_type) == wait.group_key
    else:
        is_about = event.person is passenger.person
    return is_about and _matches(wait.predicate, event.properties)


def _matches(predicate: JsonValue, properties: JsonObject) -> bool:
    return predicate is None or evaluate(list_from_json(predicate), properties)


def _answer(promise: Promise, verdict: str, reason: str | None = None) -> Begun:
    return Begun(
        outbox_id=promise.id,
        verdict=verdict,  # type: ignore[arg-type]  # the callers above name the literals
        reason=reason,
        state_id=None,
        enrollment=None,
    )
