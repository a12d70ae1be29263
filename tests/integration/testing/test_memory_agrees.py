"""The in-memory store of the test kit does what the functions in PostgreSQL do.

The same random histories are played on both, with the same runtime.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogsend.db import Database
from hogsend.kernel.ids import uuid7
from hogsend.testing import Deed, Person, World
from hogsend.testing.strategies import histories
from tests.integration.testing.database_world import DatabaseWorld
from tests.unit.testing import journeys

# Seven minutes per deed: never on the hour, where a pause of the journeys could end.
_SPANS = st.integers(0, 80).map(lambda hours: timedelta(hours=hours, minutes=7))
_HISTORIES = st.tuples(
    histories(journeys.good, most_deeds=6), st.lists(_SPANS, min_size=6, max_size=6)
).map(
    lambda drawn: [
        replace(deed, after=span) for deed, span in zip(drawn[0], drawn[1], strict=False)
    ]
)


@pytest.fixture
def real(database: Database) -> Iterator[DatabaseWorld]:
    world = DatabaseWorld(journeys.app, database)
    yield world
    world.close()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=_HISTORIES)
def test_history_played_in_memory_and_on_postgresql_ends_the_same(
    real: DatabaseWorld, history: list[Deed]
) -> None:
    real.forget()
    user_id = f"user-{uuid7()}"
    person = Person(user_id=user_id, email=f"{user_id}@example.com")
    with World(journeys.app) as world:
        world.memory.people.append(person)
        for deed in [*history, Deed(event="the.end", after=timedelta(days=4))]:
            world.go_to(world.clock.now() + deed.after)
            world.tell(person, deed.event, deed.properties)
            real.pass_time(deed.after)
            real.tell(person, deed.event, deed.properties)

        in_memory = [
            (p.journey_id, p.status, p.exit_reason, [s.key for s in p.steps])
            for p in sorted(
                world.memory.passengers.values(), key=lambda p: (p.created_at, p.journey_id)
            )
        ]
        assert in_memory == real.states(user_id)
        skips = Counter((journey_id, reason) for journey_id, _, reason in world.memory.skips)
        assert skips == real.skips(user_id)
        sent = [m.request.template for m in real.mails]
        assert [m.template for m in world.mailbox] == sent
