"""Natural micro-batching, without a database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from uuid import UUID

import pytest

from hogsend.db.errors import DatabaseUnavailable
from hogsend.errors import HogsendError, NotAllowed
from hogsend.events.batching import BatchingIngest
from hogsend.events.models import Ingested, NewEvent


def stored(event: NewEvent) -> Ingested:
    return Ingested(
        stored=True,
        event_id=UUID(int=1),
        contact_id=None,
        contact_key=event.name,
        exits=(),
        promised=0,
    )


class Store:
    """Holds the first batch until told; remembers every batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        self.batches.append([event.name for event in events])
        if len(self.batches) == 1:
            self.entered.set()
            assert self.go_on.wait(10)
        return [NotAllowed("no") if event.name == "refused" else stored(event) for event in events]


def run_crowd(store: Store, names: list[str]) -> dict[str, object]:
    """One caller alone, then all others while the first is being stored."""
    batching = BatchingIngest(store)
    answers: dict[str, object] = {}

    def call(name: str) -> None:
        try:
            answers[name] = batching.ingest(NewEvent(name=name)).contact_key
        except HogsendError as error:
            answers[name] = error

    first = threading.Thread(target=call, args=("first",))
    first.start()
    assert store.entered.wait(10)
    others = [threading.Thread(target=call, args=(name,)) for name in names]
    for thread in others:
        thread.start()
    while len(batching._queue) < len(names):
        threading.Event().wait(0.005)
    store.go_on.set()
    for thread in (first, *others):
        thread.join(10)
    return answers


def test_whoever_arrives_meanwhile_forms_the_next_batch() -> None:
    store = Store()

    answers = run_crowd(store, ["a", "b", "c"])

    assert answers == {name: name for name in ("first", "a", "b", "c")}
    assert store.batches[0] == ["first"]
    assert sorted(store.batches[1]) == ["a", "b", "c"]


def test_refusal_of_one_is_the_answer_of_one() -> None:
    answers = run_crowd(Store(), ["a", "refused", "b"])

    assert isinstance(answers["refused"], NotAllowed)
    assert answers["a"] == "a"
    assert answers["b"] == "b"


def test_lost_database_is_told_to_every_waiter() -> None:
    class Lost(Store):
        def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
            super().ingest_many(events)
            raise DatabaseUnavailable("gone")

    answers = run_crowd(Lost(), ["a", "b"])

    assert all(isinstance(answer, DatabaseUnavailable) for answer in answers.values())


def test_failure_leaves_nobody_leading() -> None:
    class Once(Store):
        def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
            self.batches.append([])
            if len(self.batches) == 1:
                raise RuntimeError("bug")
            return [stored(event) for event in events]

    batching = BatchingIngest(Once())

    with pytest.raises(RuntimeError):
        batching.ingest(NewEvent(name="a"))

    assert batching.ingest(NewEvent(name="b")).contact_key == "b"
