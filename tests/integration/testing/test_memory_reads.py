"""What a journey can ask about the past gets the same answer in memory and from PostgreSQL."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from hogsend.db import Database, Query
from hogsend.journeys import reads
from hogsend.journeys.reads import EventRow, Subject
from hogsend.kernel.wire_json import JsonObject
from hogsend.preferences.store import get_preferences
from hogsend.testing import Person, World
from tests.integration.testing.database_world import DatabaseWorld
from tests.unit.testing import journeys

_SPANS = [None, timedelta(hours=1), timedelta(days=2), timedelta(days=30)]


@dataclass(frozen=True)
class Both:
    """One person with the same past in both worlds."""

    memory: World
    real: DatabaseWorld
    person: Person
    subject: Subject  # in the database; in memory it is the person's

    def ask(self, question: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        mine = Subject(contact_id=self.person.contact_id, user_id=self.person.user_id)
        in_memory = self.memory.answers()[question](mine, *args, **kwargs)
        return in_memory, question(self.real.db, self.subject, *args, **kwargs)


def told(rows: Sequence[EventRow]) -> list[tuple[str, JsonObject]]:
    """What rows say, without the ids that differ from world to world."""
    return [
        (row.event, {k: v for k, v in row.properties.items() if k != "stateId"}) for row in rows
    ]


@pytest.fixture
def both(database: Database) -> Iterator[Both]:
    person = Person(user_id="ada", email="ada@example.com")
    stranger = Person(user_id="bob", email="bob@example.com")
    real = DatabaseWorld(journeys.app, database)
    with World(journeys.app) as memory:
        memory.memory.people += [person, stranger]
        past: list[tuple[Person, str, JsonObject, timedelta]] = [
            (person, "signed.up", {"plan": "pro"}, timedelta(0)),
            (person, "seen", {"n": 1}, timedelta(hours=5)),
            (stranger, "seen", {"n": 9}, timedelta(minutes=1)),
            (person, "seen", {"n": 2, "deep": {"x": [1]}}, timedelta(days=3)),
            (person, "signed.up", {}, timedelta(minutes=20)),
            (person, "seen", {"n": 3}, timedelta(minutes=20)),
        ]
        for who, event, properties, after in past:
            memory.go_to(memory.clock.now() + after)
            memory.tell(who, event, properties)
            real.pass_time(after)
            real.tell(who, event, properties)
        [(contact_id,)] = database.run(
            Query("contact", "SELECT id FROM contacts WHERE external_id = 'ada'")
        )
        yield Both(memory, real, person, Subject(contact_id=contact_id, user_id="ada"))
    real.close()


def test_counts_and_lists_are_the_same_in_memory(both: Both) -> None:
    for within, event in product(_SPANS, ["seen", "signed.up", "never"]):
        in_memory, real = both.ask(reads.count_events, event, within=within)
        assert in_memory == real, (event, within)

    for within, name, limit in product(_SPANS, ["seen", None], [1, 50]):
        in_memory, real = both.ask(reads.list_events, event=name, within=within, limit=limit)
        assert told(in_memory) == told(real), (name, within, limit)


def test_digest_is_the_same_in_memory(both: Both) -> None:
    predicate: Any = [{"type": "property", "property": "n", "operator": "gt", "value": 1}]
    ask = {"event": "seen", "predicate": predicate, "limit": 5, "arrived_after": None}
    mine = Subject(contact_id=both.person.contact_id, user_id="ada")
    now = both.memory.clock.now()
    [(real_now,)] = both.real.db.run(Query("now", "SELECT now()"))
    span = timedelta(days=1)

    in_memory = both.memory.answers()[reads.list_digest](mine, since=now - span, until=now, **ask)
    real = reads.list_digest(
        both.real.db, both.subject, since=real_now - span, until=real_now, **ask
    )

    assert [e.properties for e in in_memory] == [e.properties for e in real] != []


def test_passages_are_the_same_in_memory(both: Both) -> None:
    for journey_id in ("good", "kept-out", "never"):
        in_memory, real = both.ask(reads.read_journey, journey_id)

        assert in_memory[0] == real[0], journey_id
        assert (in_memory[1] is None) is (real[1] is None), journey_id


def test_consent_is_the_same_in_memory(both: Both) -> None:
    both.person.categories["news"] = False
    both.real.db.run(
        Query(
            "refuse",
            """INSERT INTO email_preferences (user_id, email, contact_id, categories)
               SELECT external_id, email, id, '{"news": false}' FROM contacts
               WHERE external_id = 'ada'""",
        )
    )

    in_memory = both.memory.answers()[get_preferences](
        user_id=None, email=both.person.email, contact_id=both.person.contact_id
    )
    assert in_memory == get_preferences(
        both.real.db, user_id=None, email=both.person.email, contact_id=both.subject.contact_id
    )
    assert in_memory.categories == {"news": False}


def test_every_question_of_the_runtime_has_an_answer(both: Both) -> None:
    questions = {
        function
        for name, function in vars(reads).items()
        if inspect.isfunction(function)
        and function.__module__ == reads.__name__
        and not name.startswith("_")
    }

    assert questions <= set(both.memory.answers())
