"""The one way in for events: HTTP, batches, and later webhooks, tracking and journeys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

from hogsend.db import Database, QueryFile
from hogsend.db.errors import DatabaseError, DatabaseUnavailable, DeadlockDetected
from hogsend.db.errors import SerializationFailure
from hogsend.errors import HogsendError, NotAllowed
from hogsend.events.matching import EventMatcher
from hogsend.events.models import ExitResult, Ingested, NewEvent
from hogsend.kernel.wire_json import iso_z

_Q = QueryFile(__package__, "events.sql")
_ATTEMPTS = 3
_CHUNK = 200


class Poke(Protocol):
    """Tells relays that outbox rows were committed."""

    def poke(self) -> None:
        """Return at once, never raise."""
        ...


class Ingest:
    """Matches an event against the content and stores it with all it causes in one round trip.

    Identity, the event row, exits, woken waits and outbox rows are one transaction. The engine
    is never involved: with the engine down events are accepted as ever.
    """

    def __init__(
        self, *, db: Database, matcher: EventMatcher, nudge: Poke, new_id: Callable[[], UUID]
    ) -> None:
        self._db = db
        self._matcher = matcher
        self._nudge = nudge
        self._new_id = new_id

    def ingest(self, event: NewEvent) -> Ingested:
        """Store one event; a repeated idempotency key answers ``stored=False``.

        Raises NotAllowed when an anonymous-only event names an identified contact, and
        DatabaseUnavailable when nothing could be stored.
        """
        params = self._params(event)
        params["event_id"] = params.pop("id")
        ingested = _to_ingested(self._with_retry(lambda: self._db.run(_Q["ingest_event"], **params))[0])
        if ingested.promised:
            self._nudge.poke()
        return ingested

    def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        """Store events in chunks, each chunk one transaction; answers keep the order.

        An event that cannot be stored takes no other down: its chunk is repeated one by one
        and its answer is the error. Raises DatabaseUnavailable only before the first chunk.
        """
        answers: list[Ingested | HogsendError] = []
        for start in range(0, len(events), _CHUNK):
            answers.extend(self._chunk(events[start : start + _CHUNK]))
        if any(isinstance(a, Ingested) and a.promised for a in answers):
            self._nudge.poke()
        return answers

    def _chunk(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        params = [self._params(event) for event in events]
        # A common order of contacts keeps two batches from locking each other out.
        order = sorted(range(len(params)), key=lambda i: _subject_of(events[i]))
        try:
            rows = self._with_retry(
                lambda: self._db.run(_Q["ingest_events"], events=[params[i] for i in order])
            )
        except DatabaseUnavailable:
            raise
        except DatabaseError:
            return [self._one(event) for event in events]
        answers: dict[int, Ingested | HogsendError] = {}
        for row in rows:
            answers[order[row[0]]] = _answer(row[1:])
        return [answers[i] for i in range(len(events))]

    def _one(self, event: NewEvent) -> Ingested | HogsendError:
        try:
            return self.ingest(event)
        except DatabaseUnavailable:
            raise
        except HogsendError as error:
            return error

    def _params(self, event: NewEvent) -> dict[str, Any]:
        matches = self._matcher.match(event.name, event.properties)
        return {
            "id": self._new_id(),
            "new_contact_id": self._new_id(),
            "external_id": event.external_id,
            "email": event.email,
            "anonymous_id": event.anonymous_id,
            "event": event.name,
            "properties": dict(event.properties),
            "contact_patch": dict(event.contact_properties) if event.contact_properties else None,
            "groups": dict(event.groups) if event.groups else None,
            "value": event.value,
            "currency": event.currency,
            "source": event.source,
            "idempotency_key": event.idempotency_key,
            "occurred_at": iso_z(event.occurred_at) if event.occurred_at else None,
            "may_create": event.may_create,
            "anonymous_only": event.anonymous_only,
            "starts": list(matches.starts) or None,
            "exits": [{"journey": j, "exits": leaves} for j, leaves in matches.exits] or None,
        }

    def _with_retry(self, call: Callable[[], list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        """Repeat what lost a race; safe because the event id is fixed before the first try."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return call()
            except (DeadlockDetected, SerializationFailure):
                continue
        return call()


def _subject_of(event: NewEvent) -> tuple[str, str, str]:
    return (event.external_id or "", event.email or "", event.anonymous_id or "")


def _to_ingested(row: tuple[Any, ...]) -> Ingested:
    answer = _answer(row)
    if isinstance(answer, HogsendError):
        raise answer
    return answer


def _answer(row: tuple[Any, ...]) -> Ingested | HogsendError:
    stored, event_id, contact_id, contact_key, refused, exits, promised = row
    if refused:
        return NotAllowed(
            "a publishable anonymous write cannot attach to or merge an identified contact",
            code="identified_contact",
        )
    return Ingested(
        stored=stored,
        event_id=event_id,
        contact_id=contact_id,
        contact_key=contact_key,
        exits=tuple(
            ExitResult(journey_id=e["journeyId"], state_id=e["stateId"], exited=e["exited"])
            for e in exits
        ),
        promised=promised,
    )
