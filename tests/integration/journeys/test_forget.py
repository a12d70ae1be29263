from __future__ import annotations

from datetime import timedelta

import pytest

from hogsend.journeys import forget as module
from hogsend.journeys import operate
from hogsend.journeys.forget import JourneyAges, forget
from hogsend.journeys.meta import Entry
from hogsend.kernel.clock import SystemClock, VirtualClock
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import napper, sleeper
from tests.integration.journeys.world import World

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)
AGES = JourneyAges(journal=30 * DAY, log=365 * DAY)


def after(days: int) -> VirtualClock:
    return VirtualClock(SystemClock().now() + days * DAY)


def counts(world: World) -> tuple[int, int]:
    """Steps and log entries."""
    return (
        world.sql("SELECT count(*) FROM journey_steps")[0][0],
        world.sql("SELECT count(*) FROM journey_logs")[0][0],
    )


def finished(make_world: MakeWorld, *people: str) -> World:
    world = make_world(sleeper())
    for name in people:
        world.send("start", name)
    world.pump()
    world.let_time_pass()
    world.pump()
    assert world.states() == {"completed": len(people)}
    return world


def test_journal_of_a_completed_enrollment_goes_before_its_log(make_world: MakeWorld) -> None:
    world = finished(make_world, "ada")
    steps, logs = counts(world)
    assert steps > 0 < logs

    young = forget(world.database, clock=after(29), ages=AGES)
    first = forget(world.database, clock=after(31), ages=AGES)
    second = forget(world.database, clock=after(366), ages=AGES)

    assert young == {"journals": 0, "logs": 0, "refusals": 0}
    assert first == {"journals": steps, "logs": 0, "refusals": 0}
    assert second == {"journals": 0, "logs": logs, "refusals": 0}
    assert world.states() == {"completed": 1}


def test_people_inside_keep_everything(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    world.send("start")
    world.pump()
    before = counts(world)

    forgotten = forget(world.database, clock=after(4000), ages=AGES)
    world.let_time_pass()

    assert forgotten == {"journals": 0, "logs": 0, "refusals": 0}
    assert counts(world) == before
    assert world.pump() == {"completed": 1}
    assert world.mailer.delivered == ["before", "after"]


def test_failed_enrollment_keeps_its_journal_and_can_be_resumed(make_world: MakeWorld) -> None:
    world = make_world(sleeper(), attempts=1)
    broken = [True]

    def fall(_: object) -> None:
        if broken[0]:
            raise ValueError("boom")

    world.mailer.effects["after"] = fall
    world.send("start")
    world.pump()
    world.let_time_pass()
    world.pump()
    assert world.states() == {"failed": 1}

    forgotten = forget(world.database, clock=after(400), ages=AGES)
    broken[0] = False
    operate.resume(world.database, world.state("id")[0])

    assert forgotten["journals"] == 0
    assert forgotten["logs"] > 0
    assert world.pump() == {"completed": 1}
    assert world.mailer.delivered == ["before", "after"]


def test_pages_reach_everybody(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    world = finished(make_world, *(f"p{number}" for number in range(5)))
    steps, logs = counts(world)

    forgotten = forget(world.database, clock=after(366), ages=AGES)

    assert forgotten == {"journals": steps, "logs": logs, "refusals": 0}
    assert counts(world) == (0, 0)


def test_enrollment_after_the_floor_is_not_looked_at(make_world: MakeWorld) -> None:
    """It cannot have ended before, so a table of millions who entered since costs nothing."""
    world = finished(make_world, "ada")
    world.sql("UPDATE journey_states SET completed_at = now() - interval '60 days'")

    assert forget(world.database, clock=after(0), ages=AGES)["journals"] == 0


def test_old_refusals_go_journey_by_journey(make_world: MakeWorld) -> None:
    world = make_world(napper(entry=Entry.once()))
    world.sql(
        "INSERT INTO journey_skips (journey_id, user_id, reason, last_at)"
        " SELECT j, u, 'not_eligible', now() - make_interval(days => d)"
        " FROM (VALUES ('a', 'ada', 366), ('a', 'bob', 1), ('b', 'ada', 400), ('c', 'cid', 364))"
        " AS t (j, u, d)"
    )

    forgotten = forget(world.database, clock=SystemClock(), ages=AGES)

    assert forgotten["refusals"] == 2
    assert world.sql("SELECT journey_id, user_id FROM journey_skips ORDER BY 1, 2") == [
        ("a", "bob"), ("c", "cid"),
    ]  # fmt: skip
