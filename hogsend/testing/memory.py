"""What ``hogsend.journeys.store`` and the functions behind it do, over objects in memory.

The names and answers are those of the real thing, so the runtime cannot tell the difference; an
integration test plays the same histories on both. How an advance begins is in ``boarding``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hogsend.conditions import evaluate, list_from_json
from hogsend.journeys.models import (
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
