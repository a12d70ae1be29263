"""The one way in for events: HTTP, batches, and later webhooks, tracking and journeys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

from hogsend.contacts import Keys, Policy, repeat, resolve_contact
from hogsend.contacts.write import IDENTIFIED
from hogsend.db import Database, Executor, QueryFile
from hogsend.db.errors import DatabaseError, DatabaseUnavailable
from hogsend.errors import HogsendError, NotAllowed
from hogsend.events.matching import ConversionMatcher, EventMatcher
from hogsend.events.models import ExitResult, Ingested, NewEvent
from hogsend.events.repeats import reused_key
from hogsend.kernel.wire_json import iso_z

_Q = QueryFile(__package__, "events.sql")
_CHUNK = 200
_REFUSED = 4
_UNDECIDED = "resolve"
_GONE = "gone"
_CONVERSIONS = "conversions"  # only there when the event converts


class Poke(Protocol):
    """Tells relays that outbox rows were committed."""

    def poke(self) -> None:
        """Return at once, never raise."""
        ...


class Ingest:
    """Matches an event against the content and stores it with all it causes.

    One round trip when its keys name one known person or nobody yet; five when somebody has to
    be completed or merged first. Identity, the event row, exits, woken waits, outbox rows and
    conversions are one transaction. The engine is never involved: with the engine down events are
    accepted as ever.
    """

    def __init__(
        self,
        *,
        db: Database,
        matcher: EventMatcher,
        nudge: Poke,
        new_id: Callable[[], UUID],
        conversions: ConversionMatcher | None = None,
        count: Callable[[str], None] | None = None,
        on_stored: Callable[[NewEvent], None] | None = None,
    ) -> None:
        """``count`` is told ``created`` or ``duplicate`` for every event, ``on_stored`` every event
        that was stored; it must be quick and never raise."""
        self._conversions = conversions
        self._count = count
        self._on_stored = on_stored
        self._db = db
        self._matcher = matcher
        self._nudge = nudge
        self._new_id = new_id

    def ingest(self, event: NewEvent) -> Ingested:
        """Store one event; a repeated idempotency key answers ``stored=False``.

        An event pinned to somebody who was deleted is dropped (``stored=False``). Raises
        NotAllowed when an anonymous-only event names an identified contact, Conflict when the
        key of a caller was used for another event, and DatabaseUnavailable when nothing could be
        stored.
        """
        params = self._params(event)
        try:
            row = repeat(lambda: _store(self._db, params))
            if row[_REFUSED] == _UNDECIDED:
                row = repeat(lambda: self._decide_and_store(event, params))
        except DatabaseError as error:
            conflict = reused_key(error)
            if conflict is None:
                raise
            raise conflict from error
        answer = _answer(row)
        if isinstance(answer, HogsendError):
            raise answer
        if answer.promised:
            self._nudge.poke()
        self._tell(event, answer)
        return answer

    def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        """Store events in chunks, each chunk one transaction; answers keep the order.

        An event that cannot be stored takes no other down: its chunk is repeated one by one
        and its answer is the error. Raises DatabaseUnavailable only before the first chunk.
        """
        answers: list[Ingested | HogsendError] = []
        for start in range(0, len(events), _CHUNK):
            try:
                answers.extend(self._chunk(events[start : start + _CHUNK]))
            except DatabaseUnavailable as error:
                if not answers:
                    raise
                answers.extend([error] * len(events[start : start + _CHUNK]))
        if any(isinstance(a, Ingested) and a.promised for a in answers):
            self._nudge.poke()
        return answers

    def _chunk(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        params = [self._params(event) for event in events]
        try:
            rows = repeat(lambda: _store_many(self._db, params))
        except DatabaseUnavailable:
            raise
        except DatabaseError:
            return self._one_by_one(events)
        undecided = [i for i, row in enumerate(rows) if row[1 + _REFUSED] == _UNDECIDED]
        later = dict(zip(undecided, self._one_by_one([events[i] for i in undecided]), strict=True))
        answers = [later[i] if i in later else _answer(row[1:]) for i, row in enumerate(rows)]
        for i, answer in enumerate(answers):
            if i not in later and isinstance(answer, Ingested):
                self._tell(events[i], answer)
        return answers

    def _tell(self, event: NewEvent, answer: Ingested) -> None:
        if self._count is not None:
            self._count("created" if answer.stored else "duplicate")
        if self._on_stored is not None and answer.stored:
            self._on_stored(event)

    def _one_by_one(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        answers: list[Ingested | HogsendError] = []
        for event in events:
            if answers and isinstance(answers[-1], DatabaseUnavailable):
                answers.append(answers[-1])  # do not wait for a lost database once per event
                continue
            try:
                answers.append(self.ingest(event))
            except HogsendError as error:
                answers.append(error)
        return answers

    def _decide_and_store(self, event: NewEvent, params: dict[str, Any]) -> tuple[Any, ...]:
        """The slow path: the keys do not all name one person yet. Four round trips."""
        with self._db.transaction() as tx:
            resolved = resolve_contact(
                tx,
                Keys(
                    external=event.external_id,
                    email=event.email,
                    anonymous=event.anonymous_id,
                ),
                policy=Policy(may_create=event.may_create, anonymous_only=event.anonymous_only),
                new_id=self._new_id,
                patch=event.contact_properties,
                source=event.source,
            )
            pinned = params | {"contact_id": resolved.contact_id, "contact_patch": None}
            if resolved.contact_id is None:  # nobody: the key alone is what we know
                pinned |= {"external_id": resolved.key, "email": None, "anonymous_id": None}
            return _store(tx, pinned)

    def _params(self, event: NewEvent) -> dict[str, Any]:
        matches = self._matcher.match(event.name, event.properties)
        params: dict[str, Any] = {
            "id": self._new_id(),
            "new_contact_id": self._new_id(),
            "external_id": event.external_id,
            "email": event.email,
            "anonymous_id": event.anonymous_id,
            "contact_id": event.contact_id,
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
        converted = self._conversions.match(event) if self._conversions else ()
        if converted:
            params[_CONVERSIONS] = [each.as_json() for each in converted]
        return params


def _store(db: Executor, params: dict[str, Any]) -> tuple[Any, ...]:
    named = {("event_id" if name == "id" else name): value for name, value in params.items()}
    query = "ingest_converting_event" if _CONVERSIONS in params else "ingest_event"
    return db.run(_Q[query], **named)[0]


def _store_many(db: Executor, params: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    is_plain = all(_CONVERSIONS not in each for each in params)
    return db.run(_Q["ingest_events" if is_plain else "ingest_converting_events"], events=params)


def _answer(row: tuple[Any, ...]) -> Ingested | HogsendError:
    stored, event_id, contact_id, contact_key, refused, exits, promised = row
    if refused and refused != _GONE:
        return NotAllowed(IDENTIFIED, code="identified_contact")
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
