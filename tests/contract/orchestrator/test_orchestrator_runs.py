"""What a submitted run can rely on, on every orchestrator."""

from __future__ import annotations

import pytest

from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Priority, RunRefused, RunRequest
from tests.contract.orchestrator.harness import OrchestratorUnderTest


def test_submit_one_run_reaches_handler_with_everything(
    orchestrator: OrchestratorUnderTest,
) -> None:
    orchestrator.start_worker()
    payload: JsonObject = {
        "items": [{"outbox": 17, "state": None}],
        "text": "žluťoučký \\u0000 'x'",
        "n": 1.5,
    }

    orchestrator.submit(
        [
            RunRequest(
                task=orchestrator.task("record"), input=payload, metadata={"journey": "welcome"}
            )
        ]
    )

    ran = orchestrator.wait_for("ran", task="record")
    assert ran["input"] == payload
    assert ran["attempt"] == 1
    assert ran["run_id"]
    assert ran["metadata"]["journey"] == "welcome"


def test_submit_bulk_runs_every_run_once(orchestrator: OrchestratorUnderTest) -> None:
    orchestrator.start_worker()

    orchestrator.submit(
        [RunRequest(task=orchestrator.task("record"), input={"i": i}) for i in range(500)]
    )

    ran = orchestrator.wait_for_many("ran", 500, seconds=60, task="record")
    assert sorted(r["input"]["i"] for r in ran) == list(range(500))


@pytest.mark.on("local", "stub")
def test_submit_bulk_single_slot_keeps_hand_over_order(orchestrator: OrchestratorUnderTest) -> None:
    orchestrator.start_worker(slots=1)

    orchestrator.submit(
        [RunRequest(task=orchestrator.task("record"), input={"i": i}) for i in range(50)]
    )

    ran = orchestrator.wait_for_many("ran", 50, task="record")
    assert [r["input"]["i"] for r in ran] == list(range(50))


def test_submit_when_slots_are_busy_higher_priority_runs_first(
    orchestrator: OrchestratorUnderTest,
) -> None:
    orchestrator.start_worker(slots=1)
    orchestrator.run("slow", seconds=5)
    orchestrator.wait_for("ran", task="slow")
    wanted = [Priority.LOW, Priority.NORMAL, Priority.HIGH]

    orchestrator.submit(
        [
            RunRequest(task=orchestrator.task("record"), input={"p": int(p)}, priority=p)
            for p in wanted
        ]
    )

    ran = orchestrator.wait_for_many("ran", 3, seconds=30, task="record")
    assert [r["input"]["p"] for r in ran] == [3, 2, 1]


def test_run_fails_is_repeated_after_growing_pauses(orchestrator: OrchestratorUnderTest) -> None:
    orchestrator.start_worker()

    orchestrator.run("flaky", failures=2)

    ran = orchestrator.wait_for_many("ran", 3, seconds=40, task="flaky")
    assert [r["attempt"] for r in ran] == [1, 2, 3]
    assert len({r["run_id"] for r in ran}) == 1
    assert ran[1]["at"] - ran[0]["at"] >= 0.9
    assert ran[2]["at"] - ran[1]["at"] >= 1.4


def test_run_exceeds_execution_timeout_is_cancelled_and_repeated(
    orchestrator: OrchestratorUnderTest,
) -> None:
    orchestrator.start_worker()

    orchestrator.run("hasty", seconds=30)

    cancelled = orchestrator.wait_for_many("cancelled", 2, seconds=30, task="hasty")
    assert [r["attempt"] for r in cancelled] == [1, 2]


def test_run_key_is_busy_waits_for_its_key_only(orchestrator: OrchestratorUnderTest) -> None:
    orchestrator.start_worker()
    task = orchestrator.task("keyed")

    orchestrator.submit(
        [
            RunRequest(task=task, input={"key": key, "seconds": 2.5, "i": i})
            for i, key in enumerate(["a", "a", "b"])
        ]
    )

    orchestrator.wait_for_many("finished", 3, seconds=30, task="keyed")
    spans = {
        r["input"]["i"]: (r["at"], f["at"])
        for r in orchestrator.records("ran", task="keyed")
        for f in orchestrator.records("finished", task="keyed")
        if f["input"] == r["input"]
    }
    first, second = sorted([spans[0], spans[1]])
    assert second[0] >= first[1] - 0.05
    assert spans[2][0] < first[1]


def test_run_lone_task_is_busy_is_dropped(orchestrator: OrchestratorUnderTest) -> None:
    orchestrator.start_worker()
    orchestrator.run("lone", seconds=4)
    orchestrator.wait_for("ran", task="lone")

    orchestrator.run("lone", seconds=4)

    orchestrator.wait_for("finished", task="lone")
    orchestrator.run("record")
    orchestrator.wait_for("ran", task="record")
    orchestrator.run("lone", seconds=0)
    orchestrator.wait_for_many("finished", 2, task="lone")
    assert len(orchestrator.records("ran", task="lone")) == 2


def test_submit_input_no_engine_can_keep_is_refused_with_its_index(
    orchestrator: OrchestratorUnderTest,
) -> None:
    orchestrator.start_worker()
    good = RunRequest(task=orchestrator.task("record"), input={"i": 0})
    bad = RunRequest(task=orchestrator.task("record"), input={"text": "a\x00b"})

    with pytest.raises(RunRefused) as refusal:
        orchestrator.submit([good, good, bad, good])

    assert refusal.value.index == 2


@pytest.mark.on("local", "stub")
def test_submit_unknown_task_is_refused_with_its_index(
    orchestrator: OrchestratorUnderTest,
) -> None:
    orchestrator.start_worker()
    good = RunRequest(task=orchestrator.task("record"), input={"i": 0})
    bad = RunRequest(task=orchestrator.task("nobody"), input={})

    with pytest.raises(RunRefused) as refusal:
        orchestrator.submit([good, good, bad, good])

    assert refusal.value.index == 2


@pytest.mark.on("real")
def test_submit_unknown_task_on_real_engine_is_refused_or_takes_no_other_down(
    orchestrator: OrchestratorUnderTest,
) -> None:
    """Engines that trigger inside the call (v0.94) accept an unknown name and drop that run."""
    orchestrator.start_worker()
    good = RunRequest(task=orchestrator.task("record"), input={"i": 0})
    bad = RunRequest(task=orchestrator.task("nobody"), input={})

    try:
        orchestrator.submit([good, bad, good])
    except RunRefused as refusal:
        assert refusal.index == 1  # noqa: PT017 -- other engines accept and drop it
    else:
        orchestrator.wait_for_many("ran", 2, task="record")


@pytest.mark.on("stub")
@pytest.mark.parametrize("position", [0, 1, 6, 9])
def test_submit_run_the_engine_refuses_is_found_by_halving(
    orchestrator: OrchestratorUnderTest, position: int
) -> None:
    assert orchestrator.engine is not None
    orchestrator.start_worker()
    orchestrator.engine.refuse_inputs(lambda _workflow, payload: "poison" in payload)
    task = orchestrator.task("record")
    runs = [RunRequest(task=task, input={"i": i}) for i in range(10)]
    runs[position] = RunRequest(task=task, input={"poison": True})

    with pytest.raises(RunRefused) as refusal:
        orchestrator.submit(runs)

    assert refusal.value.index == position
    assert not any("poison" in run.input for run in orchestrator.engine.runs())


@pytest.mark.on("stub")
def test_run_delivered_twice_reaches_handler_twice_and_settles(
    orchestrator: OrchestratorUnderTest,
) -> None:
    assert orchestrator.engine is not None
    orchestrator.start_worker()
    orchestrator.engine.deliver_twice(1)

    orchestrator.run("record", i=1)

    ran = orchestrator.wait_for_many("ran", 2, task="record")
    assert {r["run_id"] for r in ran} == {ran[0]["run_id"]}
    orchestrator.run("record", i=2)
    orchestrator.wait_for_many("ran", 3, task="record")
    engine = orchestrator.engine
    orchestrator.wait_until(
        lambda: [run.status for run in engine.runs()] == ["completed"] * 2,
        seconds=10,
        what="both runs are completed",
    )


@pytest.mark.slow
def test_cron_tick_runs_task_with_empty_input(orchestrator: OrchestratorUnderTest) -> None:
    orchestrator.start_worker(cron=True)

    if orchestrator.engine is not None:
        orchestrator.engine.fire_cron(orchestrator.task("tick"))

    ran = orchestrator.wait_for("ran", seconds=80, task="tick")
    assert ran["input"] == {}
    assert ran["attempt"] == 1
