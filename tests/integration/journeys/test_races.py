"""Events and enrollments that cross each other: nobody is missed, nobody is there twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.contacts import Keys, Policy, resolve_contact
from hogsend.db import Executor, Query
from hogsend.events.ingest import _store
from hogsend.events.models import NewEvent
from hogsend.journeys import operate, store
from hogsend.journeys.holdout import is_held_out
from hogsend.journeys.meta import Entry, Holdout
from hogsend.journeys.models import Begun, Enrollment, NewWait, Settled, Settlement
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from hogsend.kernel.ids import uuid7
from hogsend.orchestrator.port import RunRequest
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import HOUR, asker, napper, sleeper
from tests.integration.journeys.world import World, items_of

pytestmark = pytest.mark.integration

_BEGIN = Query.parse("begin", "SELECT now()")


def event_of(name: str, user: str = "ada", *, at: datetime | None = None) -> NewEvent:
    return NewEvent(name=name, external_id=user, email=f"{user}@people.test", occurred_at=at)


def store_late(world: World, tx: Executor, event: NewEvent) -> None:
    """As an ingest whose transaction began earlier than it came to this person."""
    _store(tx, world.ingest._params(event))


def chain() -> App:
    """Waits for one, then for two."""
    app = App("chain")

    @app.journey(id="chain", name="c", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.wait_for("one", timeout=HOUR)
        if not await ctx.wait_for("two", timeout=HOUR):
            await ctx.exit("no second event")

    return app


HOLDER = uuid7()


def begin(world: World, db: Executor, run: RunRequest) -> list[Begun]:
    """What a worker does with a run, up to the claim."""
    definition = world.registry.find(run.metadata["journey"])
    assert definition is not None
    return store.begin_advances(
        db, definition, items_of(run), holder=HOLDER, lease=timedelta(seconds=60), new_id=uuid7
    )


def settle_with_sleep(enrollment: Enrollment, db: Executor) -> list[Settled]:
    """The function came to a pause that no event ends."""
    now = datetime.now(UTC)
    nap = NewWait(key="wait:nap", kind="sleep", label="nap", due_at=now + HOUR, opened_at=now)
    settlement = Settlement(enrollment=enrollment, status="waiting", node="nap", wait=nap)
    return store.settle_advances(db, enrollment.journey_id, [settlement], holder=HOLDER)


def settle_with_wait(
    enrollment: Enrollment, db: Executor, *, group: tuple[str, str] | None = None
) -> list[Settled]:
    """The function came to a wait for ``answer``."""
    now = datetime.now(UTC)
    wait = NewWait(
        key="wait:answer", kind="event", label="answer", due_at=now + HOUR, opened_at=now,
        event="answer", since=enrollment.ready_at, cause=enrollment.cause_event_id,
        group_type=group[0] if group else None, group_key=group[1] if group else None,
    )  # fmt: skip
    settlement = Settlement(enrollment=enrollment, status="waiting", node="answer", wait=wait)
    return store.settle_advances(db, enrollment.journey_id, [settlement], holder=HOLDER)


def test_exit_event_before_the_trigger_in_one_batch_does_not_end_it(make_world: MakeWorld) -> None:
    world = make_world(sleeper(exit_on=[on("stop")]))

    world.ingest.ingest_many([event_of("stop"), event_of("start")])

    assert world.pump() == {"waiting": 1}


def test_exit_event_after_the_trigger_in_one_batch_ends_it(make_world: MakeWorld) -> None:
    world = make_world(sleeper(exit_on=[on("stop")]))

    world.ingest.ingest_many([event_of("start"), event_of("stop")])

    assert world.pump() == {"exited": 1}


def test_exit_event_of_a_transaction_that_is_older_than_the_trigger_ends_it(
    make_world: MakeWorld,
) -> None:
    world = make_world(sleeper(exit_on=[on("stop")]))

    with world.database.transaction() as tx:
        tx.run(_BEGIN)  # from here on now() is this instant
        world.send("start")
        store_late(world, tx, event_of("stop"))

    assert world.pump() == {"exited": 1}


def test_event_of_a_transaction_that_is_older_than_the_wake_is_not_lost(
    make_world: MakeWorld,
) -> None:
    world = make_world(chain())
    world.send("start")
    world.pump()

    with world.database.transaction() as tx:
        tx.run(_BEGIN)
        world.send("one")
        store_late(world, tx, event_of("two"))
    world.pump()

    assert world.states() == {"completed": 1}


def test_event_before_the_wake_in_one_batch_does_not_answer_the_next_wait(
    make_world: MakeWorld,
) -> None:
    world = make_world(chain())
    world.send("start")
    world.pump()

    world.ingest.ingest_many([event_of("two"), event_of("one")])

    assert world.pump() == {"waiting": 1}


def test_person_deleted_between_trigger_and_enrollment_does_not_enter(
    make_world: MakeWorld,
) -> None:
    world = make_world(sleeper())
    event = world.send("start")
    world.sql("SELECT * FROM hogsend.delete_contacts_v1(ARRAY[:id]::uuid[])", id=event.contact_id)

    world.pump()

    assert world.states() == {}
    assert world.count("outbox") == 0


@pytest.mark.parametrize("is_held", [True, False])
def test_two_starts_of_one_person_at_once_make_one_row(
    make_world: MakeWorld, is_held: bool
) -> None:
    world = make_world(napper(entry=Entry.once(), holdout=Holdout(percent=50)))
    person = next(
        f"p{n}" for n in range(50) if is_held_out("napper", f"p{n}", percent=50) is is_held
    )
    world.send("start", person)
    (first,) = world.claim()
    world.send("start", person)
    # Under another subject, as after a merge: the outbox does not keep them apart.
    world.sql("UPDATE outbox SET subject = subject || 'x' WHERE attempts = 0")
    (second,) = world.claim()

    with world.database.transaction() as tx:
        begin(world, tx, first)
        late = threading.Thread(target=lambda: begin(world, world.database, second))
        late.start()
        late.join(0.3)
        # Over before the second is let in: only the entry guard can refuse it now.
        tx.run(Query.parse("end", "UPDATE journey_states SET status = 'exited'"
                                  " WHERE status = 'active' RETURNING id"))  # fmt: skip
    late.join(20)

    assert not late.is_alive()
    assert sum(world.states().values()) == 1
    assert "already_entered_once" in world.skips()


def test_events_that_answered_a_chain_of_waits_on_the_way_are_all_counted(
    make_world: MakeWorld,
) -> None:
    world = make_world(chain())

    for name in ("start", "one", "two"):  # all of it before a worker looks
        world.send(name)
    world.pump()

    assert world.states() == {"completed": 1}


def test_events_in_the_other_order_do_not_answer_the_second_wait(make_world: MakeWorld) -> None:
    world = make_world(chain())

    for name in ("start", "two", "one"):
        world.send(name)
    world.pump()

    assert world.states() == {"waiting": 1}


def test_backdated_events_that_arrive_on_the_way_count(make_world: MakeWorld) -> None:
    world = make_world(chain())
    leaver = make_world(sleeper(exit_on=[on("stop")]))
    past = [datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3)]

    world.ingest.ingest_many([
        event_of(name, at=at) for name, at in zip(("start", "one", "two"), past, strict=True)
    ])  # fmt: skip
    world.pump()
    leaver.ingest.ingest_many(
        [event_of("start", "bob", at=past[1]), event_of("stop", "bob", at=past[0])]
    )
    leaver.pump()

    assert world.sql("SELECT user_id, status FROM journey_states ORDER BY user_id") == [
        ("ada", "completed"), ("bob", "exited"),
    ]  # fmt: skip


def hold(
    world: World, work: Callable[[Executor], object], done: threading.Event, go: threading.Event
) -> threading.Thread:
    """Do some work in a transaction of its own, which commits when it is told to."""

    def run() -> None:
        with world.database.transaction() as tx:
            work(tx)
            done.set()
            go.wait(20)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize(("stage", "name"), [("begin", "stop"), ("settle", "answer")])
def test_event_of_somebody_merged_while_a_worker_waits_for_them_is_not_lost(
    make_world: MakeWorld, stage: str, name: str
) -> None:
    world = make_world(asker(exit_on=[on("stop")]))
    world.ingest.ingest(NewEvent(name="start", email="loser@x.co"))
    world.ingest.ingest(NewEvent(name="seen", external_id="winner"))
    (start,) = world.claim()
    work: Callable[[Executor], object] = partial(begin, world, run=start)
    if stage == "settle":
        (begun,) = begin(world, world.database, start)
        assert begun.enrollment is not None
        work = partial(settle_with_wait, begun.enrollment)
    is_done, may_commit = threading.Event(), threading.Event()

    with world.database.transaction() as tx:
        keys = Keys(external="winner", email="loser@x.co")
        resolve_contact(tx, keys, policy=Policy(), new_id=uuid7)
        worker = hold(world, work, is_done, may_commit)
        assert not is_done.wait(0.3)  # it waits for the loser
    assert is_done.wait(20)
    late = threading.Thread(
        target=lambda: world.ingest.ingest(NewEvent(name=name, external_id="winner"))
    )
    late.start()
    late.join(0.3)
    may_commit.set()
    worker.join(20)
    late.join(20)

    if stage == "begin":
        assert world.states() == {"exited": 1}
    else:
        assert world.sql("SELECT outcome FROM waits") == [("event",)]


def test_event_of_another_member_while_a_group_wait_is_opened_is_not_lost(
    make_world: MakeWorld,
) -> None:
    world = make_world(asker())
    acme = {"company": "acme"}
    for person in ("ada", "bob"):
        world.ingest.ingest(NewEvent(name="seen", external_id=person, groups=acme))
    world.ingest.ingest(NewEvent(name="start", external_id="ada"))
    (start,) = world.claim()
    (begun,) = begin(world, world.database, start)
    assert begun.enrollment is not None
    is_done, may_commit = threading.Event(), threading.Event()
    work = partial(settle_with_wait, begun.enrollment, group=("company", "acme"))

    worker = hold(world, work, is_done, may_commit)
    assert is_done.wait(20)
    colleague = threading.Thread(
        target=lambda: world.ingest.ingest(NewEvent(name="answer", external_id="bob", groups=acme))
    )
    colleague.start()
    colleague.join(0.3)
    may_commit.set()
    worker.join(20)
    colleague.join(20)

    assert world.sql("SELECT outcome FROM waits") == [("event",)]


@pytest.mark.parametrize("by", ["exit", "operator", "deletion"])
def test_end_that_waits_for_a_settle_closes_the_wait_it_opened(
    make_world: MakeWorld, by: str
) -> None:
    world = make_world(sleeper(exit_on=[on("stop")]))
    person = world.send("start").contact_id
    (start,) = world.claim()
    (begun,) = begin(world, world.database, start)
    assert begun.enrollment is not None
    state = begun.enrollment.id
    ends: dict[str, Callable[[], object]] = {
        "exit": lambda: world.send("stop"),
        "operator": lambda: operate.cancel(world.database, state),
        "deletion": lambda: world.sql(
            "SELECT * FROM hogsend.delete_contacts_v1(ARRAY[:id]::uuid[])", id=person
        ),
    }
    is_done, may_commit = threading.Event(), threading.Event()

    worker = hold(world, partial(settle_with_sleep, begun.enrollment), is_done, may_commit)
    assert is_done.wait(20)
    end = threading.Thread(target=ends[by])
    end.start()
    end.join(0.3)
    assert end.is_alive()  # it waits for the settle
    may_commit.set()
    worker.join(20)
    end.join(20)

    assert world.states() == {"exited": 1}
    assert world.count("waits") == 0
