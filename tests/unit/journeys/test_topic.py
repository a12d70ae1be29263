from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from hogsend import App, on
from hogsend.journeys.registry import JourneyRegistry
from hogsend.journeys.tasks import read_items
from hogsend.journeys.topic import JourneyTopic
from hogsend.orchestrator.port import OrchestratorUnavailable, RunRefused, RunRequest
from hogsend.outbox import Held, OutboxRow, Park, Retry

STATE = UUID("00000000-0000-7000-8000-00000000000a")
EVENT = "00000000-0000-7000-8000-00000000000e"


async def run(user: object, ctx: object) -> None:
    """A journey."""


def registry() -> JourneyRegistry:
    app = App(__name__)
    app.journey(id="a", name="A", trigger=on("x"))(run)
    app.journey(id="b", name="B", trigger=on("x"))(run)
    return JourneyRegistry(app, None)


@dataclass
class Engine:
    """Refuses runs that hold a poisoned outbox row."""

    poison: frozenset[int] = frozenset()
    is_away: bool = False
    runs: list[RunRequest] = field(default_factory=list)

    def submit(self, runs: Sequence[RunRequest]) -> None:
        if self.is_away:
            raise OrchestratorUnavailable("away")
        for index, request in enumerate(runs):
            if self.poison & {item.outbox_id for item in read_items(request.input["items"])}:
                raise RunRefused("poison", index=index)
        self.runs += runs


def row(number: int, journey: str = "a", *, attempts: int = 1, priority: int = 2) -> OutboxRow:
    return OutboxRow(
        id=number,
        topic="journey.advance",
        subject=f"s{number}",
        ref_id=STATE if number % 2 else None,
        payload={"journey": journey, "event": EVENT},
        priority=priority,
        attempts=attempts,
    )


def ids(request: RunRequest) -> list[int]:
    return [item.outbox_id for item in read_items(request.input["items"])]


def test_deliver_groups_rows_by_journey_in_batches() -> None:
    engine = Engine()
    topic = JourneyTopic(registry=registry(), submitter=engine, batch=2)

    outcomes = topic.deliver([row(1), row(2, "b", priority=3), row(3), row(5)])

    assert outcomes == [Held()] * 4
    assert [(r.task, ids(r), int(r.priority)) for r in engine.runs] == [
        ("journey-a", [1, 3], 2), ("journey-a", [5], 2), ("journey-b", [2], 3),
    ]  # fmt: skip
    assert engine.runs[0].metadata == {"journey": "a", "enrollments": "2", "outbox": "1"}


def test_deliver_names_the_state_or_the_event() -> None:
    engine = Engine()
    topic = JourneyTopic(registry=registry(), submitter=engine, batch=9)

    topic.deliver([row(1), row(2)])

    items = [read_items(run.input["items"])[0] for run in engine.runs]
    assert [(i.state_id, str(i.event_id)) for i in items] == [(STATE, EVENT), (None, EVENT)]


def test_deliver_puts_off_journeys_that_do_not_run_here() -> None:
    engine = Engine()
    topic = JourneyTopic(registry=registry(), submitter=engine, batch=9)

    gone, fine = topic.deliver([row(1, "removed"), row(2)])

    assert isinstance(gone, Retry)
    assert "'removed' does not run here" in gone.error
    assert fine == Held()


def test_deliver_when_the_engine_is_away_tries_again_soon() -> None:
    topic = JourneyTopic(registry=registry(), submitter=Engine(is_away=True), batch=1)

    outcomes = topic.deliver([row(1), row(2)])

    assert all(isinstance(o, Retry) and o.after.total_seconds() <= 5 for o in outcomes)


def test_deliver_isolates_the_row_the_engine_refuses() -> None:
    engine = Engine(poison=frozenset({4}))
    topic = JourneyTopic(registry=registry(), submitter=engine, batch=8)

    outcomes = topic.deliver([row(n) for n in range(1, 9)] + [row(11, "b")])

    assert outcomes[3] == Park("poison")
    assert [o for n, o in enumerate(outcomes) if n != 3] == [Held()] * 8
    assert sorted(n for r in engine.runs for n in ids(r)) == [1, 2, 3, 5, 6, 7, 8, 11]


def test_deliver_lets_suspects_travel_alone_and_parks_the_hopeless() -> None:
    engine = Engine()
    topic = JourneyTopic(registry=registry(), submitter=engine, batch=9)

    outcomes = topic.deliver([row(1), row(2, attempts=4), row(3), row(4, attempts=21)])

    assert [ids(r) for r in engine.runs] == [[1, 3], [2]]
    assert isinstance(outcomes[3], Park)


def test_read_items_leaves_out_what_is_no_item() -> None:
    assert read_items("nonsense") == []
    assert [i.outbox_id for i in read_items([{"outbox": 7}, {"state": "x"}, 3])] == [7]
