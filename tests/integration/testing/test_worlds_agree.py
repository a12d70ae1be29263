"""The same journeys and the same history give the same story in memory and on PostgreSQL.

In memory everything but the runtime is a stand-in; on PostgreSQL ingest, journal, waits, exits,
gates and the ledger of mails are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogsend.app import App
from hogsend.db import Database
from hogsend.examples.classic import app as classic
from hogsend.testing import Deed, FakeConnector, Person, World
from hogsend.testing.strategies import histories
from tests.integration.testing import twins
from tests.integration.testing.database_world import DatabaseWorld
from tests.integration.testing.story import tell_database, tell_memory
from tests.unit.examples.paths import PATHS, Path

pytestmark = pytest.mark.integration

# Never on the hour, where a pause of the journeys could end: one of the worlds is a moment late.
_OFF = timedelta(minutes=7)
_LAST = timedelta(days=45, minutes=7)
_FEW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Both:
    """Two worlds in which the same people do the same."""

    def __init__(self, app: App, database: Database) -> None:
        self._app = app
        self._real = DatabaseWorld(app, database, connectors={"chat": self._chat()})

    def close(self) -> None:
        self._real.close()

    def check(self, people: Sequence[Person], deeds: Sequence[tuple[Person, Deed]]) -> int:
        """Play it, compare it, answer how many passages there were."""
        self._real.forget()
        begin = datetime.now(UTC)
        chat = {"chat": self._chat()}
        with World(self._app, now=begin, connectors=chat) as memory:
            memory.memory.people += people
            for person, deed in deeds:
                memory.go_to(memory.clock.now() + deed.after)
                memory.tell(person, deed.event, deed.properties)
                self._real.pass_time(deed.after)
                self._real.tell(person, deed.event, deed.properties)
            memory.go_to(memory.clock.now() + _LAST)
            self._real.pass_time(_LAST)

            told = tell_memory(memory, begin).sorted()
        real = tell_database(self._real).sorted()
        for in_memory, stored in zip_longest(told.passages, real.passages):
            assert in_memory == stored
        assert told.mails == real.mails
        assert told.caused == real.caused
        assert told.skips == real.skips
        return len(told.passages)

    def _chat(self) -> FakeConnector:
        return FakeConnector(post=lambda args: {"id": f"post-{args['n']}"})


def somebody(name: str, groups: dict[str, str] | None = None) -> Person:
    return Person(user_id=name, email=f"{name}@example.com", groups=groups or {})


@pytest.fixture
def examples(database: Database) -> Iterator[Both]:
    both = Both(classic, database)
    yield both
    both.close()


@pytest.fixture
def every_call(database: Database) -> Iterator[Both]:
    both = Both(twins.app, database)
    yield both
    both.close()


def test_examples_on_their_paths_are_the_same_story(examples: Both) -> None:
    for path in PATHS:
        check_path(examples, path)


def check_path(examples: Both, path: Path) -> None:
    ada = somebody("ada")
    trigger = next(d.meta.trigger.event for d in classic.journeys.values() if d.run is path.journey)
    first = Deed(event=trigger, properties=path.trigger)
    rest = [Deed(event=d.event, properties=d.properties, after=d.after + _OFF) for d in path.deeds]

    assert examples.check([ada], [(ada, deed) for deed in (first, *rest)]) >= 1


@_FEW
@given(data=st.data())
def test_example_on_any_history_is_the_same_story(examples: Both, data: st.DataObject) -> None:
    journey = data.draw(st.sampled_from(sorted(classic.journeys)), label="journey")
    history = data.draw(histories(journey, app=classic, most_deeds=6), label="history")
    ada = somebody("ada")

    examples.check([ada], [(ada, _off_the_hour(deed)) for deed in history])


@_FEW
@given(data=st.data())
def test_every_call_of_the_context_is_the_same_story(every_call: Both, data: st.DataObject) -> None:
    mine = histories(
        twins.roundup, most_deeds=7, longest_gap=timedelta(days=2), also=["deep.thing"]
    )
    history = data.draw(mine, label="history")
    groups = data.draw(st.sampled_from([{}, {"company": "acme"}]), label="groups")
    ada = somebody("ada", groups=groups)
    bob = somebody("bob", groups={"company": "acme"})
    whose = data.draw(
        st.lists(st.booleans(), min_size=len(history), max_size=len(history)), label="bob's"
    )

    every_call.check(
        [ada, bob],
        [
            (bob if is_bobs else ada, _off_the_hour(deed))
            for deed, is_bobs in zip(history, whose, strict=True)
        ],
    )


def _off_the_hour(deed: Deed) -> Deed:
    """Whole hours and some minutes; the first deed at once."""
    hours = timedelta(hours=deed.after // timedelta(hours=1))
    return Deed(event=deed.event, properties=deed.properties, after=hours + _OFF)
