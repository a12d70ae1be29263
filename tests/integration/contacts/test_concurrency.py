"""Requests that meet: one person, whoever is first; nobody sees a deadlock."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest

from hogsend.db import Database, DatabaseOptions
from hogsend.events.models import Ingested, NewEvent
from tests.integration.contacts.people import People

_THREADS = 8


@pytest.fixture
def crowd(dsn: str) -> Iterator[People]:
    """People over as many connections as there are threads."""
    database = Database(
        DatabaseOptions(url=dsn, pool_size=_THREADS, acquire_timeout=timedelta(seconds=30))
    )
    try:
        database.warm(_THREADS)
        yield People(database)
    finally:
        database.close()


def _together(*jobs: Callable[[], object]) -> None:
    """Start all at the same moment; the first error fails the test."""
    barrier = threading.Barrier(len(jobs))
    errors: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            barrier.wait(timeout=30)
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []


@pytest.mark.parametrize("round_", range(5))
def test_many_requests_that_make_one_person_make_one(crowd: People, round_: int) -> None:
    jobs: list[Callable[[], object]] = []
    for n in range(_THREADS):
        keys = [
            {"user_id": "U"},
            {"user_id": "U", "email": "e@x.co"},
            {"email": "e@x.co", "user_id": "U", "anonymous_id": "A"},
        ][n % 3]
        if n % 2:
            jobs.append(partial(crowd.send, **keys))
        else:
            jobs.append(partial(crowd.put, **keys))

    _together(*jobs)

    assert crowd.living() == [("U", "e@x.co", "A")]
    owners = crowd.rows("SELECT count(DISTINCT contact_id), count(*) FROM user_events")
    assert owners == [(1, _THREADS // 2)]


def test_different_keys_of_one_person_at_once_end_in_one(crowd: People) -> None:
    for n in range(10):
        crowd.put(f"u{n}")
        crowd.put(email=f"e{n}@x.co")
        crowd.put(anonymous_id=f"a{n}", email=f"f{n}@x.co")

    _together(
        *(
            lambda job=job, n=n: (
                crowd.put(f"u{n}", f"e{n}@x.co"),
                crowd.put(f"u{n}", anonymous_id=f"a{n}"),
                crowd.send(user_id=f"u{n}", email=f"f{n}@x.co"),
            )[job % 3]
            for job in range(4)
            for n in random.sample(range(10), 2)
        )
    )
    for n in range(10):
        crowd.put(f"u{n}", f"e{n}@x.co", f"a{n}")

    assert crowd.living() == [
        (f"u{n}", next(e for u, e, _ in crowd.living() if u == f"u{n}"), f"a{n}") for n in range(10)
    ]
    assert len(crowd.partition()) == 10


def test_merges_crosswise_over_the_same_people_end_in_one(crowd: People) -> None:
    names = [f"u{n}" for n in range(6)]
    for name in names:
        crowd.put(name, f"{name}@x.co")

    def tie(order: list[str]) -> None:
        for one, other in pairwise(order):
            crowd.put(one, f"{other}@x.co")

    _together(*(lambda s=seed: tie(random.Random(s).sample(names, 6)) for seed in range(_THREADS)))

    assert len(crowd.living()) == 1
    assert len(crowd.partition()) == 1


def test_batches_of_the_same_people_in_different_orders_all_succeed(crowd: People) -> None:
    people = [f"u{n}" for n in range(40)]
    for name in people[:20]:
        crowd.put(name)

    def store(seed: int) -> None:
        order = random.Random(seed).sample(people, len(people))
        answers = crowd.ingest.ingest_many(
            [NewEvent(name="seen", external_id=name, email=f"{name}@x.co") for name in order]
        )
        assert all(isinstance(answer, Ingested) and answer.stored for answer in answers), answers

    _together(*(lambda s=seed: store(s) for seed in range(_THREADS)))

    assert crowd.living() == sorted((name, f"{name}@x.co", None) for name in people)
    assert crowd.one("SELECT count(*) FROM user_events") == 40 * _THREADS


def test_observations_during_the_making_of_their_person_are_all_adopted(crowd: People) -> None:
    def observe() -> None:
        for _ in range(10):
            crowd.send(anonymous_id="A", may_create=False)

    _together(*[observe] * (_THREADS - 1), lambda: crowd.put("U", anonymous_id="A"))

    owners = crowd.rows("SELECT count(*), count(contact_id) FROM user_events")
    assert owners == [(70, 70)]


def test_events_during_merges_belong_to_the_survivor(crowd: People) -> None:
    crowd.put("U", "u@x.co")
    for n in range(20):
        crowd.put(email=f"e{n}@x.co")

    def send() -> None:
        for n in range(20):
            crowd.send(email=f"e{n}@x.co")

    def tie() -> None:
        for n in range(20):
            crowd.put("U", f"e{n}@x.co")

    _together(send, send, tie, tie, send)

    rows = crowd.rows(
        "SELECT count(*), count(*) FILTER (WHERE c.deleted_at IS NULL) FROM user_events e"
        " LEFT JOIN contacts c ON c.id = e.contact_id"
    )
    assert rows == [(60, 60)]
    assert crowd.living() == [("U", "u@x.co", None)]
