"""One event, one round trip, everything it causes or nothing."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import UUID

import pytest

from hogsend.db import Database, DatabaseOptions
from hogsend.db.errors import DatabaseUnavailable
from hogsend.db.migrator import migrate
from hogsend.errors import HogsendError
from hogsend.events.batching import BatchingIngest
from hogsend.events.ingest import Ingest
from hogsend.events.models import Ingested, NewEvent
from hogsend.kernel.ids import uuid7
from tests.fakes.own_postgres import OwnPostgres
from tests.integration.contacts.people import People, Script
from tests.waiting import wait_until

CONTENT = Script(
    starts={"signup": ("welcome", "tour")},
    exits={"paid": (("welcome", True), ("tour", False))},
)


@pytest.fixture
def people(database: Database) -> People:
    return People(database, CONTENT)


@pytest.fixture
def round_trips(dsn: str) -> Iterator[tuple[People, Callable[[], int]]]:
    """People over one connection, and how often it has been asked."""
    database = Database(DatabaseOptions(url=dsn, pool_size=1))
    database.warm(1)
    try:
        yield People(database, CONTENT), lambda: database.stats().round_trips_total
    finally:
        database.close()


def _enroll(people: People, contact_id: UUID | None, user_id: str, journey: str) -> UUID:
    state = uuid7()
    people.rows(
        "INSERT INTO journey_states (id, user_id, contact_id, journey_id, status)"
        " VALUES (:state, :user_id, :contact_id, :journey, 'waiting')",
        state=state, user_id=user_id, contact_id=contact_id, journey=journey,
    )  # fmt: skip
    return state


def _wait(people: People, state: UUID, event: str, **columns: Any) -> None:
    people.rows(
        "INSERT INTO waits (state_id, journey_id, step_key, kind, label, contact_id, user_id,"
        " event, predicate, group_type, group_key, due_at)"
        " SELECT id, journey_id, 'k', 'event', 'l', contact_id, user_id, :event,"
        " CAST(:predicate AS jsonb), :group_type, :group_key, now() + interval '1 day'"
        " FROM journey_states WHERE id = :state",
        state=state,
        event=event,
        predicate=columns.get("predicate"),
        group_type=columns.get("group_type"),
        group_key=columns.get("group_key"),
    )


def _outbox(people: People) -> list[tuple[Any, ...]]:
    return people.rows("SELECT subject, payload, priority FROM outbox ORDER BY id")


KNOWN = {
    "by user id": {"user_id": "U"},
    "by address": {"email": "e@x.co"},
    "by anonymous id": {"anonymous_id": "A"},
    "by all keys": {"user_id": "U", "email": "e@x.co", "anonymous_id": "A"},
    "by an alias": {"email": "alias@x.co"},
    "by a key and an alias": {"user_id": "U", "email": "alias@x.co"},
}


@pytest.mark.parametrize("keys", KNOWN.values(), ids=KNOWN)
def test_known_contact_is_one_round_trip(
    round_trips: tuple[People, Callable[[], int]], keys: dict[str, str]
) -> None:
    people, count = round_trips
    people.put("U", "e@x.co", "A")
    people.put("U", "alias@x.co")
    _enroll(people, people.put("U").contact_id, "U", "welcome")
    people.send("warm", user_id="U")
    before = count()

    answer = people.send(
        "paid", **keys, contact_properties={"a": 1}, groups={"company": "acme"},
        value=Decimal(1), currency="EUR",
    )  # fmt: skip

    assert count() - before == 1
    assert answer.stored
    assert [exit.exited for exit in answer.exits] == [True]


@pytest.mark.parametrize(
    ("arrange", "keys", "expected"),
    [
        ({}, {"user_id": "U", "email": "e@x.co"}, 1),
        ({}, {"anonymous_id": "A", "may_create": False}, 1),
        ({"user_id": "U"}, {"user_id": "U", "email": "e@x.co"}, 5),
        ({"user_id": "U", "email": "e@x.co"}, {"email": "e@x.co", "anonymous_id": "A"}, 5),
    ],
    ids=["nobody yet", "nobody ever", "a new key", "a new browser"],
)
def test_everybody_else_takes_a_known_number_of_round_trips(
    round_trips: tuple[People, Callable[[], int]],
    arrange: dict[str, str],
    keys: dict[str, Any],
    expected: int,
) -> None:
    people, count = round_trips
    if arrange:
        people.put(**arrange)
    people.send("warm", user_id="warm")
    before = count()

    people.send("seen", **keys)

    assert count() - before == expected


def test_merge_of_many_takes_as_many_round_trips_as_of_two(
    round_trips: tuple[People, Callable[[], int]],
) -> None:
    people, count = round_trips
    people.put("U")
    people.put(email="e@x.co")
    people.put(anonymous_id="A", email="a@x.co")
    before = count()

    people.send("seen", user_id="U", email="e@x.co", anonymous_id="A")

    assert count() - before == 5
    assert len(people.living()) == 1


def test_batch_of_known_contacts_is_one_round_trip(
    round_trips: tuple[People, Callable[[], int]],
) -> None:
    people, count = round_trips
    for n in range(50):
        people.put(f"u{n}")
    people.ingest.ingest_many([NewEvent(name="warm", external_id="u0")])
    before = count()

    answers = people.ingest.ingest_many(
        [NewEvent(name="seen", external_id=f"u{n}") for n in range(50)]
    )

    assert count() - before == 1
    assert all(isinstance(answer, Ingested) and answer.stored for answer in answers)


def test_trigger_promises_one_start_per_journey(people: People) -> None:
    answer = people.send("signup", user_id="U")

    assert answer.promised == 2
    assert people.pokes.count == 1
    assert _outbox(people) == [
        (f"{answer.contact_id}/welcome", {"journey": "welcome", "event": str(answer.event_id)}, 2),
        (f"{answer.contact_id}/tour", {"journey": "tour", "event": str(answer.event_id)}, 2),
    ]


def test_event_that_promises_nothing_pokes_nobody(people: People) -> None:
    assert people.send("seen", user_id="U").promised == 0
    assert people.pokes.count == 0
    assert _outbox(people) == []


def test_duplicate_promises_nothing_and_exits_nobody(people: People) -> None:
    first = people.send("signup", user_id="U", idempotency_key="k")
    _enroll(people, first.contact_id, "U", "welcome")

    second = people.send("signup", user_id="U", idempotency_key="k")
    third = people.send("paid", user_id="U", idempotency_key="k")

    assert (second.stored, third.stored) == (False, False)
    assert second.event_id == third.event_id == first.event_id
    assert second.exits == third.exits == ()
    assert len(_outbox(people)) == 2
    assert people.one("SELECT status FROM journey_states") == "waiting"


def test_same_key_at_the_same_time_is_stored_once(people: People) -> None:
    people.put("U")
    answers: list[Ingested] = []

    def send() -> None:
        answers.append(people.send("signup", user_id="U", idempotency_key="k"))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(answer.stored for answer in answers) == [False] * 5 + [True]
    assert len({answer.event_id for answer in answers}) == 1
    assert len(_outbox(people)) == 2


def test_exit_ends_the_enrollment_its_wait_and_its_promise(people: People) -> None:
    person = people.put("U")
    left = _enroll(people, person.contact_id, "U", "welcome")
    kept = _enroll(people, person.contact_id, "U", "tour")
    _wait(people, left, "opened")
    people.rows(
        "INSERT INTO outbox (topic, subject, ref_id) VALUES ('journey.advance', 's', :id)", id=left
    )

    answer = people.send("paid", user_id="U")

    assert {exit.state_id: exit.exited for exit in answer.exits} == {
        str(left): True,
        str(kept): False,
    }
    assert dict(people.rows("SELECT id, status FROM journey_states")) == {
        left: "exited",
        kept: "waiting",
    }
    assert people.rows("SELECT 1 FROM waits") == []
    assert _outbox(people) == []
    assert people.rows("SELECT exit_reason FROM journey_states WHERE id = :id", id=left) == [
        ("event:paid",)
    ]


def test_event_wakes_the_wait_of_its_person_only(people: People) -> None:
    mine = _enroll(people, people.put("U").contact_id, "U", "welcome")
    theirs = _enroll(people, people.put("V").contact_id, "V", "welcome")
    for state in (mine, theirs):
        _wait(people, state, "opened")

    answer = people.send(
        "opened", user_id="U", properties={"n": 1}, occurred_at=datetime(2026, 1, 1, tzinfo=UTC)
    )

    outcomes = people.rows("SELECT state_id, outcome, outcome_event_id, outcome_value FROM waits"
                           " WHERE outcome IS NOT NULL")  # fmt: skip
    assert outcomes == [
        (
            mine,
            "event",
            answer.event_id,
            {
                "properties": {"n": 1},
                "occurredAt": "2026-01-01T00:00:00.000Z",
                "actorUserId": "U",
            },
        )
    ]
    assert _outbox(people) == [
        (f"{answer.contact_id}/welcome", {"journey": "welcome", "state": str(mine)}, 3)
    ]


def test_event_wakes_only_a_wait_whose_predicate_holds(people: People) -> None:
    state = _enroll(people, people.put("U").contact_id, "U", "welcome")
    _wait(
        people,
        state,
        "opened",
        predicate=[{"type": "property", "property": "n", "operator": "gt", "value": 5}],
    )

    first = people.send("opened", user_id="U", properties={"n": 5})
    second = people.send("opened", user_id="U", properties={"n": 6})
    third = people.send("opened", user_id="U", properties={"n": 7})

    assert [answer.promised for answer in (first, second, third)] == [0, 1, 0]


def test_group_event_wakes_every_member_and_names_who_acted(people: People) -> None:
    first = _enroll(people, people.put("U").contact_id, "U", "welcome")
    second = _enroll(people, people.put("V").contact_id, "V", "welcome")
    other = _enroll(people, people.put("W").contact_id, "W", "welcome")
    for state, key in ((first, "acme"), (second, "acme"), (other, "else")):
        _wait(people, state, "paid.invoice", group_type="company", group_key=key)

    alone = people.send("paid.invoice", user_id="U")
    together = people.send("paid.invoice", user_id="X", groups={"company": "acme"})

    assert (alone.promised, together.promised) == (0, 2)
    woken = people.rows(
        "SELECT state_id, outcome_value ->> 'actorUserId' FROM waits WHERE outcome IS NOT NULL"
    )
    assert sorted(woken) == sorted([(first, "X"), (second, "X")])


def test_orphan_waits_hear_their_own_key(people: People) -> None:
    state = _enroll(people, None, "A", "welcome")
    _wait(people, state, "opened")

    answer = people.send("opened", anonymous_id="A", may_create=False)

    assert answer.contact_id is None
    assert people.rows("SELECT outcome FROM waits") == [("event",)]


def test_poisoned_element_takes_no_other_down(people: People) -> None:
    good = [NewEvent(name="signup", external_id=f"u{n}") for n in range(6)]
    poison = replace(good[3], value=Decimal("1e20"))  # does not fit numeric(14,2)

    answers = people.ingest.ingest_many([*good[:3], poison, *good[4:]])

    assert [isinstance(answer, Ingested) for answer in answers] == [True] * 3 + [False] + [True] * 2
    assert isinstance(answers[3], HogsendError)
    stored = people.rows("SELECT user_id FROM user_events ORDER BY 1")
    assert stored == [("u0",), ("u1",), ("u2",), ("u4",), ("u5",)]
    assert people.one("SELECT count(*) FROM outbox") == 10


def test_failing_event_leaves_no_contact_behind(people: People) -> None:
    with pytest.raises(HogsendError):
        people.send(user_id="U", value=Decimal("1e20"))

    assert people.living() == []


def test_micro_batches_answer_everybody_with_their_own(people: People) -> None:
    batching = BatchingIngest(people.ingest)
    for n in range(8):
        people.put(f"u{n}")
    answers: dict[int, Ingested] = {}

    def send(n: int) -> None:
        for _ in range(5):
            answers[n] = batching.ingest(
                NewEvent(name="seen", external_id=f"u{n}", email=f"u{n}@x.co")
            )

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert {n: answer.contact_key for n, answer in answers.items()} == {
        n: f"u{n}" for n in range(8)
    }
    assert people.one("SELECT count(*) FROM user_events") == 40


@pytest.fixture
def own_postgres() -> Iterator[OwnPostgres]:
    directory = Path(tempfile.mkdtemp(prefix="hogsend-test-"))
    server = OwnPostgres(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        rmtree(directory, ignore_errors=True)


def wait_for_more(keys: list[str]) -> None:
    before = len(keys)
    wait_until(lambda: len(keys) > before, seconds=60)


def test_restarted_database_loses_no_accepted_event(own_postgres: OwnPostgres) -> None:
    migrate(DatabaseOptions(url=own_postgres.url))
    database = Database(
        DatabaseOptions(url=own_postgres.url, pool_size=4, connect_timeout=timedelta(seconds=2))
    )
    people = People(database, CONTENT)
    accepted: list[str] = []
    refused: list[str] = []
    stop = threading.Event()

    def send(worker: int) -> None:
        ingest: Ingest = people.ingest
        n = 0
        while not stop.is_set():
            n += 1
            key = f"{worker}-{n}"
            try:
                ingest.ingest(
                    NewEvent(name="signup", external_id=f"u{worker}", idempotency_key=key)
                )
                accepted.append(key)
            except DatabaseUnavailable:
                refused.append(key)
                stop.wait(0.02)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for how in (signal.SIGINT, signal.SIGQUIT):  # a restart, and a crash
            wait_for_more(accepted)
            own_postgres.stop(how)
            wait_for_more(refused)
            own_postgres.start()
        wait_for_more(accepted)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
    for key in refused:  # what a client does with 503
        people.send("signup", user_id=f"u{key[0]}", idempotency_key=key)

    stored = {row[0] for row in people.rows("SELECT idempotency_key FROM user_events")}
    promised = people.one("SELECT count(*) FROM outbox")
    database.close()
    assert set(accepted) | set(refused) == stored
    assert promised == 2 * len(stored)
