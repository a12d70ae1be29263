"""Whatever dies or stalls: one owner at a time, and a stalled one changes nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

import pytest

from hogsend.db import Query
from hogsend.email.models import SendRequest
from hogsend.journeys import store
from hogsend.journeys.models import Step
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import napper, sleeper
from tests.integration.journeys.world import World, state_ids

pytestmark = pytest.mark.integration


def hold_first_mail(world: World) -> tuple[threading.Event, threading.Event]:
    """The first call of the mailer stalls until told to go on."""
    reached, go_on = threading.Event(), threading.Event()

    def stall(_: SendRequest) -> None:
        if not reached.is_set():
            reached.set()
            assert go_on.wait(60)

    world.mailer.effects["before"] = stall
    return reached, go_on


def test_delivery_while_another_one_works_is_a_no_op(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    reached, go_on = hold_first_mail(world)
    world.send("start")
    (run,) = world.claim()

    async def both() -> tuple[dict[str, int], dict[str, int]]:
        first = asyncio.create_task(world.work(run))
        await asyncio.to_thread(reached.wait, 20)
        second = await world.work(run)
        go_on.set()
        return await first, second

    first, second = asyncio.run(both())

    assert (first, second) == ({"waiting": 1}, {})
    assert world.state("status, generation") == ("waiting", 1)


def test_stalled_owner_that_wakes_up_late_writes_nothing(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    reached, go_on = hold_first_mail(world)
    world.send("start")
    (run,) = world.claim()

    async def both() -> tuple[dict[str, int], dict[str, int]]:
        first = asyncio.create_task(world.work(run))
        await asyncio.to_thread(reached.wait, 20)
        world.expire_leases()
        (again,) = world.claim()
        second = await world.work(again)
        world.let_time_pass()
        world.timer.move_due()
        (wake,) = world.claim()
        third = await world.work(wake)
        assert third == {"completed": 1}
        go_on.set()
        return await first, second

    first, second = asyncio.run(both())

    assert (first, second) == ({"lost": 1}, {"waiting": 1})
    assert world.state("status, generation, current_node_id") == ("completed", 3, "end-completed")
    assert world.count("waits") == 0
    assert world.mailer.delivered == ["before", "after"]


def test_lease_is_renewed_while_the_owner_lives(make_world: MakeWorld) -> None:
    world = make_world(sleeper(), lease=timedelta(seconds=2))
    reached, go_on = hold_first_mail(world)
    world.send("start")
    (run,) = world.claim()

    async def both() -> tuple[dict[str, int], dict[str, int]]:
        first = asyncio.create_task(world.work(run))
        await asyncio.to_thread(reached.wait, 20)
        claimed = time.monotonic()
        # Longer than the lease, and just after a renewal, however slow the machine is.
        while world.db.names.count("renew_rows") < 2 or time.monotonic() < claimed + 2.1:
            await asyncio.sleep(0.01)
        second = await world.work(run)
        go_on.set()
        return await first, second

    first, second = asyncio.run(both())

    assert (first, second) == ({"waiting": 1}, {})


def test_owner_that_learns_it_lost_the_row_stops_working(make_world: MakeWorld) -> None:
    world = make_world(sleeper(), lease=timedelta(seconds=1))
    reached, go_on = hold_first_mail(world)
    world.send("start")
    (run,) = world.claim()

    async def both() -> tuple[dict[str, int], dict[str, int]]:
        first = asyncio.create_task(world.work(run))
        await asyncio.to_thread(reached.wait, 20)
        world.expire_leases()
        second = await world.work(run)
        answer = await asyncio.wait_for(first, 20)  # although its mail is still under way
        go_on.set()
        return answer, second

    first, second = asyncio.run(both())

    assert (first, second) == ({"lost": 1}, {"waiting": 1})


def test_cancelled_run_leaves_everything_to_the_next_owner(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    reached, go_on = hold_first_mail(world)
    world.send("start")
    (run,) = world.claim()

    async def shut_down() -> None:
        task = asyncio.create_task(world.work(run))
        await asyncio.to_thread(reached.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(shut_down())

    assert world.state("status, error_message") == ("active", None)
    world.expire_leases()
    assert world.pump() == {"waiting": 1}
    assert world.mailer.delivered == ["before"]


def test_row_that_never_ends_orderly_travels_alone_and_is_parked(make_world: MakeWorld) -> None:
    world = make_world(napper())
    for n in range(3):
        world.send("start", f"u{n}")
    world.sql("UPDATE outbox SET attempts = 5 WHERE id = (SELECT min(id) FROM outbox)")

    runs = world.claim()

    assert sorted(len(run.input["items"]) for run in runs) == [1, 2]  # type: ignore[arg-type]
    world.sql("UPDATE outbox SET attempts = 30, available_at = now()")
    assert world.claim() == []
    assert world.sql("SELECT count(*) FROM outbox WHERE parked_at IS NOT NULL") == [(3,)]


def test_wake_without_a_resolved_wait_is_dropped(make_world: MakeWorld) -> None:
    world = make_world(napper())
    world.send("start")
    world.pump()
    world.sql(
        "INSERT INTO outbox (topic, subject, ref_id, payload) SELECT 'journey.advance', 'x', id,"
        """ '{"journey": "napper"}' FROM journey_states"""
    )

    assert world.pump() == {"gone": 1}
    assert world.state("status, generation") == ("waiting", 1)


def test_step_of_a_stalled_owner_takes_turns_with_the_next_claim(make_world: MakeWorld) -> None:
    world = make_world(napper())
    world.send("start")
    world.pump()
    (state_id,) = state_ids(world)
    answers: list[bool] = []
    stalled = Step(key="once:token", kind="once", value="mine")

    def record() -> None:
        answers.append(
            store.record_steps(world.database, state_id, generation=1, steps=[stalled], first_seq=0)
        )

    late = threading.Thread(target=record)
    with world.database.transaction() as claim:
        claim.run(Query("claim", "UPDATE journey_states SET generation = generation + 1"))
        late.start()
        late.join(0.5)
        assert late.is_alive()  # it waits for the claim, which did not read its step
    late.join(10)

    assert answers == [False]
    assert world.count("journey_steps") == 0
