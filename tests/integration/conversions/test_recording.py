"""A conversion is recorded with its event, once, and an event that is none pays nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hogsend import App, on, prop
from hogsend.conversions.registry import ConversionRegistry
from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.errors import DatabaseError
from hogsend.errors import Conflict
from hogsend.events import ingest
from hogsend.events.batching import BatchingIngest
from hogsend.events.matching import Converted
from hogsend.events.models import Ingested, NewEvent
from hogsend.events.schemas import EventBody, to_new_event
from tests.integration.contacts.people import People, Script

CONTENT = Script(starts={"signup": ("welcome",)}, exits={"order.completed": (("welcome", True),)})


def shop() -> ConversionRegistry:
    app = App("shop")
    app.conversion(id="paid", trigger=on("order.completed"), value=prop("total"), currency="EUR")
    app.conversion(id="large", trigger=on("order.completed").where(prop("value") >= 100), value=1)
    app.conversion(id="said", trigger=on("*").where(prop("answer").exists()), sources=["inapp"])
    assert app.problems == ()
    return ConversionRegistry(app.conversions)


@pytest.fixture
def people(database: Database) -> People:
    return People(database, CONTENT, conversions=shop())


def recorded(people: People) -> list[tuple[Any, ...]]:
    return people.rows(
        "SELECT definition_id, user_key, value, currency FROM conversions ORDER BY occurred_at, id"
    )


def buy(people: People, user_id: str = "U", **fields: Any) -> Ingested:
    usual: dict[str, Any] = {
        "properties": {"total": 90},
        "value": Decimal(100),
        "currency": "USD",
    }
    return people.send("order.completed", user_id=user_id, **usual | fields)


def test_event_is_recorded_for_everything_it_converts(people: People) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    answer = buy(people, occurred_at=at)

    assert sorted(recorded(people)) == [
        ("large", "U", Decimal("1.00"), "USD"),
        ("paid", "U", Decimal("90.00"), "EUR"),
        ("revenue", "U", Decimal("100.00"), "USD"),
    ]
    assert people.rows(
        "SELECT DISTINCT c.contact_id, c.event_id, c.occurred_at = e.occurred_at, c.occurred_at"
        " FROM conversions c JOIN user_events e ON e.id = c.event_id"
    ) == [(answer.contact_id, answer.event_id, True, at)]


def test_conversion_without_a_time_has_that_of_its_event(people: People) -> None:
    buy(people)
    people.ingest.ingest_many([NewEvent(name="order.completed", external_id="V")])

    assert (
        people.rows(
            "SELECT c.definition_id FROM conversions c JOIN user_events e ON e.id = c.event_id"
            " WHERE c.occurred_at <> e.occurred_at"
        )
        == []
    )
    assert len(recorded(people)) == 4


def test_converting_event_still_ends_starts_and_answers(people: People) -> None:
    first = people.send("signup", user_id="U", value=Decimal(5))
    people.rows(
        "INSERT INTO journey_states (user_id, contact_id, journey_id, status)"
        " VALUES ('U', :id, 'welcome', 'waiting')",
        id=first.contact_id,
    )

    second = buy(people)

    assert (first.stored, first.promised, first.contact_key) == (True, 1, "U")
    assert [exit.exited for exit in second.exits] == [True]
    assert people.pokes.count == 1


@pytest.fixture
def asked(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[People, list[str]]]:
    """People over one connection, and the name of every statement."""
    names: list[str] = []
    run = Database.run

    def note(self: Database, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        names.append(query.name)
        return run(self, query, **params)

    database = Database(DatabaseOptions(url=dsn, pool_size=1))
    database.warm(1)
    monkeypatch.setattr(Database, "run", note)
    try:
        yield People(database, CONTENT, conversions=shop()), names
    finally:
        database.close()


@pytest.mark.parametrize(
    ("is_batch", "fields", "statement"),
    [
        (False, {"name": "seen"}, "ingest_event"),
        (False, {"name": "order.completed", "source": "inapp"}, "ingest_event"),
        (False, {"name": "order.completed"}, "ingest_converting_event"),
        (True, {"name": "seen"}, "ingest_events"),
        (True, {"name": "order.completed"}, "ingest_converting_events"),
    ],
)
def test_known_contact_is_one_round_trip_and_who_converts_nothing_asks_as_ever(
    asked: tuple[People, list[str]], is_batch: bool, fields: dict[str, Any], statement: str
) -> None:
    people, names = asked
    people.put("U")
    people.send("warm", user_id="U")
    before, names[:] = people.db.stats().round_trips_total, []

    event = NewEvent(external_id="U", **fields)
    if is_batch:
        people.ingest.ingest_many([event])
    else:
        people.ingest.ingest(event)

    assert names == [statement]
    assert people.db.stats().round_trips_total - before == 1


def test_repeated_event_converts_once(people: People) -> None:
    first = buy(people, idempotency_key="order-1")
    second = buy(people, idempotency_key="order-1")
    third = people.ingest.ingest_many(
        [
            NewEvent(name="order.completed", external_id="U", idempotency_key=key,
                     properties={"total": 90}, value=Decimal(100), currency="USD")
            for key in ("order-1", "order-2", "order-2")
        ]
    )  # fmt: skip

    assert (first.stored, second.stored) == (True, False)
    assert [answer.stored for answer in third if isinstance(answer, Ingested)] == [
        False, True, False,
    ]  # fmt: skip
    assert len(recorded(people)) == 6


def test_key_used_for_another_event_records_nothing(people: People) -> None:
    people.send("seen", user_id="U", idempotency_key="api:k")

    with pytest.raises(Conflict):
        buy(people, idempotency_key="api:k")

    assert recorded(people) == []


def test_statement_repeated_after_a_lost_answer_records_once(people: People) -> None:
    params = people.ingest._params(NewEvent(name="order.completed", external_id="U"))

    alone = [ingest._store(people.db, params) for _ in range(2)]
    together = [ingest._store_many(people.db, [params]) for _ in range(2)]

    assert [row[0] for row in alone] == [True, True]
    assert [rows[0][1] for rows in together] == [True, True]
    assert len(recorded(people)) == 1


def test_batch_converts_element_by_element(people: People) -> None:
    people.put("U", "u@x.co")
    events = [
        NewEvent(name="seen", external_id="U"),
        NewEvent(name="order.completed", external_id="U", properties={"total": 1}),
        NewEvent(name="seen", external_id="V"),
        NewEvent(name="order.completed", external_id="U", email="new@x.co", value=Decimal(7)),
        NewEvent(name="order.completed", anonymous_id="A", may_create=False),
    ]

    answers = people.ingest.ingest_many(events)

    assert all(isinstance(answer, Ingested) and answer.stored for answer in answers)
    assert sorted(recorded(people), key=str) == [
        ("paid", "U", Decimal("1.00"), "EUR"),
        ("paid", "U", None, None),
        ("revenue", "U", Decimal("7.00"), None),
    ]


def test_micro_batches_convert_for_everybody(people: People) -> None:
    batching = BatchingIngest(people.ingest)

    def send(n: int) -> None:
        for m in range(5):
            batching.ingest(
                NewEvent(name="order.completed" if m % 2 else "seen", external_id=f"u{n}")
            )

    threads = [threading.Thread(target=send, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert people.rows("SELECT user_key, count(*) FROM conversions GROUP BY 1 ORDER BY 1") == [
        (f"u{n}", 2) for n in range(6)
    ]


def test_person_who_must_be_merged_first_converts_as_the_survivor(people: People) -> None:
    people.put("U")
    people.put(email="e@x.co")

    answer = buy(people, email="e@x.co")

    assert len(people.living()) == 1
    assert people.rows("SELECT DISTINCT contact_id FROM conversions") == [(answer.contact_id,)]


def test_event_about_nobody_converts_nothing_even_once_it_is_adopted(people: People) -> None:
    observed = people.send(
        "said.so", anonymous_id="A", source="inapp", properties={"answer": 1}, may_create=False
    )

    adopted = people.send("seen", user_id="U", anonymous_id="A")

    assert observed.contact_id is None
    assert people.one("SELECT contact_id FROM user_events WHERE event = 'said.so'") == (
        adopted.contact_id
    )
    assert recorded(people) == []


def _from_a_page(**body: Any) -> NewEvent:
    return to_new_event(
        EventBody.model_validate({"name": "said.so", "anonymousId": "A"} | body),
        is_publishable=True,
        idempotency_key=None,
    )


def test_anonymous_event_with_a_value_makes_the_contact_its_conversion_needs(
    people: People,
) -> None:
    answers = {"eventProperties": {"answer": 1}}

    plain = people.ingest.ingest(_from_a_page(**answers))
    valued = people.ingest.ingest(_from_a_page(**answers, value=3, currency="eur"))

    assert plain.contact_id is None
    assert valued.contact_id is not None
    # What a page says about money is no revenue.
    assert recorded(people) == [("said", "A", Decimal("3.00"), "EUR")]


def test_event_of_somebody_deleted_converts_nothing(people: People) -> None:
    gone = people.put("U").contact_id
    people.rows("UPDATE contacts SET deleted_at = now() WHERE id = :id", id=gone)

    answer = people.ingest.ingest(
        NewEvent(name="order.completed", contact_id=gone, external_id="U")
    )

    assert not answer.stored
    assert recorded(people) == []


def test_conversion_that_cannot_be_stored_takes_its_event_back(database: Database) -> None:
    class Wrong:
        def match(self, event: NewEvent) -> tuple[Converted, ...]:
            return (Converted(definition_id="x", value=Decimal(1), currency="euro"),)

    people = People(database, CONTENT, conversions=Wrong())

    with pytest.raises(DatabaseError):
        people.send("signup", user_id="U")

    assert people.one("SELECT count(*) FROM user_events") == 0
    assert people.one("SELECT count(*) FROM outbox") == 0


def test_merge_moves_conversions_and_keeps_the_key_as_written(people: People) -> None:
    visitor = people.send("order.completed", anonymous_id="A", value=Decimal(5))
    survivor = buy(people)

    merged = people.put("U", anonymous_id="A")

    assert merged.contact_id == survivor.contact_id != visitor.contact_id
    assert people.rows("SELECT DISTINCT contact_id FROM conversions") == [(survivor.contact_id,)]
    assert {row[1] for row in recorded(people)} == {"A", "U"}


def test_late_event_of_a_merged_away_id_converts_for_the_survivor(people: People) -> None:
    loser = people.put(email="loser@x.co").contact_id
    people.put("U")
    survivor = people.put("U", "loser@x.co").contact_id
    assert isinstance(loser, UUID)

    people.ingest.ingest(NewEvent(name="order.completed", contact_id=loser, external_id="x"))

    assert people.rows("SELECT DISTINCT contact_id FROM conversions") == [(survivor,)]
