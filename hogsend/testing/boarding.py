"""How an advance begins in memory: who gets on, who is turned away, who goes on after a wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from hogsend.conditions import evaluate
from hogsend.journeys.holdout import is_held_out
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Begun, Enrollment, Item
from hogsend.kernel.wire_json import JsonObject
from hogsend.testing.memory import Memory
from hogsend.testing.people import OpenWait, Passenger, PastEvent, Person, Promise


class Boarding:
    """What ``hogsend.journeys.store.begin_advances`` does, over the memory of one world."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

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
            self._begin(journey, self._memory.promises[item.outbox_id], new_id)
            for item in items
            if item.outbox_id in self._memory.promises
        ]

    def _begin(
        self, journey: JourneyDefinition, promise: Promise, new_id: Callable[[], UUID]
    ) -> Begun:
        if promise.passenger_id is not None:
            passenger = self._memory.passengers[promise.passenger_id]
            wait = passenger.wait
            if not passenger.is_live or (passenger.status == "waiting" and not _is_over(wait)):
                del self._memory.promises[promise.id]
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
            del self._memory.promises[promise.id]
            return self._turn_away(journey, promise, reason, new_id)
        passenger = self._enroll(journey, promise.event, "active", new_id)
        promise.passenger_id = passenger.id
        return self._run(promise, passenger)

    def _refuse(self, journey: JourneyDefinition, event: PastEvent) -> str | None:
        meta, person = journey.meta, event.person
        before = self._enrollments(journey, person)
        if not meta.enabled:
            return "journey_disabled"
        if meta.id in self._memory.switched_off:
            return "journey_disabled_by_admin"
        if not evaluate(meta.trigger.where, scalars(event.properties)):
            return "trigger_conditions_not_met"
        if meta.entry.kind == "once" and before:
            return "already_entered_once"
        period = meta.entry.period
        if period is not None and any(
            p.created_at > self._memory.clock.now() - period for p in before
        ):
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
            p
            for p in self._memory.passengers.values()
            if p.journey_id == journey_id and p.person is person
        ]

    def _turn_away(
        self,
        journey: JourneyDefinition,
        promise: Promise,
        reason: str,
        new_id: Callable[[], UUID],
    ) -> Begun:
        assert promise.event is not None
        self._memory.skips.append((journey.meta.id, promise.event.person, reason))
        self._memory.refusals.append(self._memory.skips[-1])
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
            created_at=self._memory.clock.now(),
            ready_at=event.received_at,
            version_hash=journey.version_hash,
        )
        self._memory.passengers[passenger.id] = passenger
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
            began_at=self._memory.clock.now(),
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


def scalars(properties: JsonObject) -> JsonObject:
    """What a journey sees of its trigger; see ``hogsend.scalars_v1``."""
    return {
        key: value
        for key, value in properties.items()
        if not isinstance(value, dict | list) and not key.startswith("__")
    }


def _is_over(wait: OpenWait | None) -> bool:
    return wait is not None and wait.outcome is not None


def _answer(promise: Promise, verdict: str, reason: str | None = None) -> Begun:
    return Begun(
        outbox_id=promise.id,
        verdict=verdict,  # type: ignore[arg-type]  # the callers above name the literals
        reason=reason,
        state_id=None,
        enrollment=None,
    )
