"""What ``hogsend.journeys.reads`` answers, over objects in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hogsend.conditions import evaluate, list_from_json
from hogsend.journeys import reads
from hogsend.journeys.reads import DigestBounds, EventRow, Subject
from hogsend.kernel.wire_json import JsonValue
from hogsend.preferences.models import Preferences
from hogsend.preferences.store import get_preferences
from hogsend.testing.mailbox import Mailbox
from hogsend.testing.memory import Memory
from hogsend.testing.people import PastEvent, Person


class MemoryReads:
    """Answers about the people of one world."""

    def __init__(self, memory: Memory, mailbox: Mailbox) -> None:
        self._memory = memory
        self._mailbox = mailbox

    def answers(self) -> dict[Callable[..., Any], Callable[..., Any]]:
        """Each function of the real thing and what does its work here."""
        return {
            reads.count_events: self.count_events,
            reads.count_group_events: self.count_group_events,
            reads.find_subject: self.find_subject,
            reads.list_events: self.list_events,
            reads.read_digest_bounds: self.read_digest_bounds,
            reads.list_digest: self.list_digest,
            reads.read_journey: self.read_journey,
            reads.read_email: self.read_email,
            reads.count_sends: self.count_sends,
            reads.find_trigger_group: self.find_trigger_group,
            reads.list_group_keys: self.list_group_keys,
            get_preferences: self.get_preferences,
        }

    def count_events(self, subject: Subject, event: str, *, within: timedelta | None = None) -> int:
        return len(self._events(subject, event, within))

    def count_group_events(self, group: tuple[str, str], event: str, *, within: timedelta) -> int:
        since = self._memory.clock.now() - within
        return sum(
            e.name == event and e.groups.get(group[0]) == group[1] and e.occurred_at >= since
            for e in self._memory.events
        )

    def find_subject(self, user_id: str) -> Subject:
        person = next((p for p in self._memory.people if p.user_id == user_id), None)
        return Subject(contact_id=person.contact_id if person else None, user_id=user_id)

    def list_events(
        self,
        subject: Subject,
        *,
        event: str | None = None,
        within: timedelta | None = None,
        limit: int = 50,
    ) -> list[EventRow]:
        found = self._events(subject, event, within)
        found.reverse()  # of two at the same instant the one stored later is the newer one
        found.sort(key=lambda e: e.occurred_at, reverse=True)
        return [_row(e) for e in found[:limit]]

    def read_digest_bounds(
        self,
        subject: Subject,
        *,
        journey_id: str,
        wait_key: str,
        trigger_event_id: UUID | None,
        until: datetime,
    ) -> DigestBounds:
        person = self._person(subject)
        ends = [
            datetime.fromisoformat(str(step.value["at"]))
            for passenger in self._memory.passengers.values()
            if passenger.person is person and passenger.journey_id == journey_id
            for step in passenger.steps
            if step.kind == "digest" and isinstance(step.value, dict)
            if step.key == wait_key or step.key.startswith(f"{wait_key}#")
        ]
        received = (e.received_at for e in self._memory.events if e.id == trigger_event_id)
        return DigestBounds(
            trigger_received_at=next(received, None),
            last_ended_at=max((at for at in ends if at < until), default=None),
        )

    def list_digest(
        self,
        subject: Subject,
        *,
        event: str,
        since: datetime,
        until: datetime,
        arrived_after: datetime | None,
        predicate: JsonValue,
        limit: int,
    ) -> list[EventRow]:
        found = [
            e
            for e in self._events(subject, event, None)
            if since <= e.occurred_at <= until
            and e.source != "studio"
            and (arrived_after is None or e.received_at > arrived_after)
            and (predicate is None or evaluate(list_from_json(predicate), e.properties))
        ]
        return [_row(e) for e in sorted(found, key=lambda e: e.occurred_at)[:limit]]

    def read_journey(self, subject: Subject, journey_id: str) -> tuple[int, datetime | None]:
        person = self._person(subject)
        theirs = [
            p
            for p in self._memory.passengers.values()
            if p.person is person and p.journey_id == journey_id
        ]
        ends = [p.completed_at for p in theirs if p.completed_at is not None]
        return len(theirs), max(ends, default=None)

    def read_email(self, address: str, template: str) -> tuple[int, datetime | None]:
        sent = [m.sent_at for m in self._mailbox.find(template) if m.to == address]
        return len(sent), max(sent, default=None)

    def count_sends(self, address: str, *, window: timedelta, category: str | None = None) -> int:
        since = self._memory.clock.now() - window
        return sum(
            m.to == address and m.sent_at > since and category in (None, m.category)
            for m in self._mailbox
        )

    def find_trigger_group(self, event_id: UUID | None, group_type: str) -> str | None:
        found = (e.groups.get(group_type) for e in self._memory.events if e.id == event_id)
        return next(found, None)

    def list_group_keys(self, contact_id: UUID | None, group_type: str) -> list[str]:
        return [
            p.groups[group_type]
            for p in self._memory.people
            if p.contact_id == contact_id and group_type in p.groups
        ]

    def get_preferences(
        self, *, user_id: str | None, email: str | None, contact_id: UUID | None
    ) -> Preferences:
        person = next((p for p in self._memory.people if p.contact_id == contact_id), None)
        return Preferences(
            categories=dict(person.categories) if person is not None else {},
            unsubscribed_all=person is not None and person.unsubscribed,
            suppressed=person is not None and person.suppressed,
        )

    def _events(
        self, subject: Subject, event: str | None, within: timedelta | None
    ) -> list[PastEvent]:
        person = self._person(subject)
        since = None if within is None else self._memory.clock.now() - within
        return [
            e
            for e in self._memory.events
            if e.person is person
            and event in (None, e.name)
            and (since is None or e.occurred_at >= since)
        ]

    def _person(self, subject: Subject) -> Person | None:
        return next((p for p in self._memory.people if p.contact_id == subject.contact_id), None)


def _row(event: PastEvent) -> EventRow:
    return EventRow(event=event.name, properties=event.properties, occurred_at=event.occurred_at)
