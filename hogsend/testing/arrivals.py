"""Events on their way into a world: who it is, whom they stop, who waited, whom they start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from hogsend.events.models import Ingested, NewEvent
from hogsend.journeys.registry import JourneyRegistry
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue, dumps, loads
from hogsend.testing.diary import Diary
from hogsend.testing.memory import Memory
from hogsend.testing.people import PastEvent, Person


class Arrivals:
    """What ``hogsend.ingest_event_v1`` does; ``stored`` are answers by idempotency key."""

    def __init__(self, memory: Memory, registry: JourneyRegistry, diary: Diary) -> None:
        self.stored: dict[str, Ingested] = {}
        self._memory = memory
        self._registry = registry
        self._diary = diary

    def ingest(self, event: NewEvent) -> Ingested:
        """What ``Ingest.ingest`` does, for events that journeys cause."""
        known = self.stored.get(event.idempotency_key or "")
        if known is not None:
            return replace(known, stored=False)
        person = self._resolve(event)
        past = self.happen(
            person,
            event.name,
            event.properties,
            groups=event.groups,
            source=event.source,
            occurred_at=event.occurred_at,
        )
        if event.contact_properties:
            _patch(person, event.contact_properties)
        ingested = Ingested(
            stored=True,
            event_id=past.id,
            contact_id=person.contact_id,
            contact_key=person.user_id,
            exits=(),
            promised=0,
        )
        if event.idempotency_key:
            self.stored[event.idempotency_key] = ingested
        return ingested

    def happen(
        self,
        person: Person,
        event: str,
        properties: Mapping[str, JsonValue],
        *,
        groups: Mapping[str, str] | None,
        source: str,
        occurred_at: datetime | None,
    ) -> PastEvent:
        """Store it and promise what it causes; nothing runs yet."""
        # Through JSON, as over HTTP: a tuple becomes a list, an object that is no JSON fails here.
        bag = loads(dumps(dict(properties)))
        assert isinstance(bag, dict)
        now = self._memory.clock.now()
        past = PastEvent(
            id=uuid7(),
            person=person,
            name=event,
            properties=bag,
            groups=dict(person.groups if groups is None else groups),
            source=source,
            occurred_at=occurred_at or now,
            received_at=now,
        )
        self._memory.events.append(past)
        self._diary.note(person, None, "event", _with_properties(event, bag))
        matches = self._registry.match(event, bag)
        self._exit(past, {journey_id for journey_id, leaves in matches.exits if leaves})
        self._memory.hear(past)
        for journey_id, reason in self._registry.refuse(event, bag):
            self._memory.refusals.append((journey_id, person, reason))
            self._diary.note(person, journey_id, "kept out", reason)
        for journey_id in matches.starts:
            self._memory.promise(journey_id, event=past)
        return past

    def _exit(self, event: PastEvent, journeys: set[str]) -> None:
        for passenger in self._memory.passengers.values():
            is_theirs = passenger.person is event.person and passenger.journey_id in journeys
            if is_theirs and passenger.is_live:
                self._memory.leave(passenger, f"event:{event.name}")
                self._diary.note(
                    event.person, passenger.journey_id, "exited", f"because of {event.name}"
                )

    def _resolve(self, event: NewEvent) -> Person:
        for person in self._memory.people:
            if event.contact_id is not None:
                if person.contact_id == event.contact_id:
                    return person
            elif person.user_id in (event.external_id, event.anonymous_id) or (
                event.email is not None and person.email.lower() == event.email.lower()
            ):
                return person
        key = event.external_id or event.anonymous_id or event.email or str(event.contact_id)
        return self._memory.person(key, email=event.email or "")


def _with_properties(event: str, properties: Mapping[str, JsonValue]) -> str:
    return f"{event} {dumps(dict(properties))}" if properties else event


def _patch(person: Person, patch: Mapping[str, JsonValue]) -> None:
    for key, value in patch.items():
        if value is None:
            person.properties.pop(key, None)
        else:
            person.properties[key] = value
