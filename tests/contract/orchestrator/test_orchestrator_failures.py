"""Lost engines, lost workers, stops: what happens on every orchestrator."""

from __future__ import annotations

import time

import pytest

from hogsend.orchestrator.port import OrchestratorUnavailable
from tests.contract.orchestrator.harness import OrchestratorUnderTest


def test_stop_signal_waits_for_the_running_handler(orchestrator: OrchestratorUnderTest) -> None:
    worker = orchestrator.start_worker()
    orchestrator.run("slow", seconds=2)
    orchestrator.wait_for("ran", task="slow")

    worker.terminate()

    assert orchestrator.how_ended(worker) == "stopped"
    assert len(orchestrator.records("finished", task="slow")) == 1
    assert len(orchestrator.records("stopping", pid=worker.pid)) == 1
    orchestrator.wait_until(lambda: worker.orphans() == [], seconds=10, what="no orphan is left")


def test_stop_request_from_a_thread_ends_serve(orchestrator: OrchestratorUnderTest) -> None:
    worker = orchestrator.start_worker()

    orchestrator.ask(worker, "stop")

    assert orchestrator.how_ended(worker) == "stopped"


def test_stop_deadline_passes_cancels_the_handler(orchestrator: OrchestratorUnderTest) -> None:
    worker = orchestrator.start_worker(drain_seconds=2)
    orchestrator.run("slow", seconds=50)
    orchestrator.wait_for("ran", task="slow")

    worker.terminate()

    assert orchestrator.how_ended(worker) == "forced"
    assert len(orchestrator.records("cancelled", task="slow")) == 1
    orchestrator.wait_until(lambda: worker.orphans() == [], seconds=10, what="no orphan is left")


def test_second_stop_signal_does_not_wait_for_the_deadline(
    orchestrator: OrchestratorUnderTest,
) -> None:
    worker = orchestrator.start_worker(drain_seconds=50)
    orchestrator.run("slow", seconds=50)
    orchestrator.wait_for("ran", task="slow")
    worker.terminate()
    orchestrator.wait_for("stopping", pid=worker.pid)

    worker.terminate()

    assert orchestrator.how_ended(worker, seconds=25) == "forced"
    orchestrator.wait_until(lambda: worker.orphans() == [], seconds=10, what="no orphan is left")


@pytest.mark.on("local", "stub")
def test_engine_lost_for_a_while_worker_goes_on_afterwards(
    orchestrator: OrchestratorUnderTest,
) -> None:
    worker = orchestrator.start_worker()
    orchestrator.run("record", i=1)
    orchestrator.wait_for("ran", task="record")

    orchestrator.break_engine()
    orchestrator.wait_until(
        lambda: not orchestrator.ask(worker, "health")["healthy"],
        seconds=20,
        what="the worker notices",
    )
    with pytest.raises(OrchestratorUnavailable):
        orchestrator.run("record", i=2)
    orchestrator.heal_engine()

    orchestrator.wait_until(
        lambda: bool(orchestrator.ask(worker, "health")["healthy"]),
        seconds=40,
        what="the worker is healthy again",
    )
    _submit_until_accepted(orchestrator)
    orchestrator.wait_for_many("ran", 2, seconds=30, task="record")
    assert worker.process.poll() is None


@pytest.mark.on("local", "stub")
def test_engine_lost_running_handler_finishes(orchestrator: OrchestratorUnderTest) -> None:
    worker = orchestrator.start_worker()
    orchestrator.run("slow", seconds=4)
    orchestrator.wait_for("ran", task="slow")

    orchestrator.break_engine()

    orchestrator.wait_for("finished", task="slow", seconds=20)
    worker.terminate()
    assert orchestrator.how_ended(worker, seconds=60) == "stopped"


@pytest.mark.on("stub")
def test_engine_lost_for_too_long_ends_serve(orchestrator: OrchestratorUnderTest) -> None:
    worker = orchestrator.start_worker(engine_lost_seconds=2, drain_seconds=5)

    orchestrator.break_engine()

    assert orchestrator.how_ended(worker, seconds=60) == "engine_lost"
    assert len(orchestrator.records("stopping", pid=worker.pid)) == 1
    orchestrator.wait_until(lambda: worker.orphans() == [], seconds=10, what="no orphan is left")


@pytest.mark.on("stub")
def test_engine_wiped_ends_serve(orchestrator: OrchestratorUnderTest) -> None:
    assert orchestrator.engine is not None
    worker = orchestrator.start_worker(engine_lost_seconds=2, drain_seconds=5)

    orchestrator.engine.lose_workers()

    assert orchestrator.how_ended(worker, seconds=60) == "engine_lost"


@pytest.mark.on("stub")
def test_engine_drops_connections_worker_reconnects(orchestrator: OrchestratorUnderTest) -> None:
    assert orchestrator.engine is not None
    worker = orchestrator.start_worker()

    orchestrator.engine.drop_connections()

    _submit_until_accepted(orchestrator)
    orchestrator.wait_for("ran", task="record", seconds=30)
    assert worker.process.poll() is None


@pytest.mark.on("stub")
def test_engine_refuses_calls_submit_says_unavailable_in_time(
    orchestrator: OrchestratorUnderTest,
) -> None:
    assert orchestrator.engine is not None
    orchestrator.start_worker()
    orchestrator.engine.refuse_for(600)
    started = time.monotonic()

    with pytest.raises(OrchestratorUnavailable):
        orchestrator.run("record", i=1)

    assert time.monotonic() - started < 20
    orchestrator.engine.refuse_for(0)
    _submit_until_accepted(orchestrator)
    orchestrator.wait_for("ran", task="record")


@pytest.mark.on("stub")
def test_serve_engine_is_not_there_raises_unavailable(orchestrator: OrchestratorUnderTest) -> None:
    orchestrator.break_engine()

    worker = orchestrator.start_worker(wait=False)

    assert orchestrator.how_ended(worker, seconds=40) == "error"
    assert orchestrator.records("ended")[0]["error"] == "orchestrator_unavailable"


@pytest.mark.on("stub")
def test_serve_token_is_refused_raises_config_error(orchestrator: OrchestratorUnderTest) -> None:
    token = str(orchestrator.config()["token"])

    worker = orchestrator.start_worker(wait=False, token=token + "x")

    assert orchestrator.how_ended(worker, seconds=40) == "error"
    assert orchestrator.records("ended")[0]["error"] == "config_error"


@pytest.mark.on("stub", "real")
def test_worker_killed_its_run_goes_to_another(orchestrator: OrchestratorUnderTest) -> None:
    workers = [orchestrator.start_worker(), orchestrator.start_worker()]
    orchestrator.run("slow", seconds=3)
    before = orchestrator.wait_for("ran", task="slow")
    (killed,) = [w for w in workers if w.pid == before["pid"]]
    (other,) = [w for w in workers if w.pid != before["pid"]]

    killed.kill()

    again = orchestrator.wait_for("ran", task="slow", pid=other.pid, seconds=120)
    assert again["attempt"] == 2
    assert again["run_id"] == before["run_id"]
    orchestrator.wait_for("finished", task="slow", pid=other.pid)
    orchestrator.wait_until(lambda: killed.orphans() == [], seconds=10, what="no orphan is left")


@pytest.mark.on("local")
def test_worker_killed_standby_takes_over(orchestrator: OrchestratorUnderTest) -> None:
    first = orchestrator.start_worker()
    second = orchestrator.start_worker(wait=False)
    orchestrator.wait_until(
        lambda: "worker.standby_entered" in second.log.read_text(),
        seconds=20,
        what="the second worker says that it is standby",
    )
    assert orchestrator.records("ready", pid=second.pid) == []

    first.kill()

    orchestrator.wait_for("ready", pid=second.pid)
    orchestrator.workers.reverse()
    orchestrator.run("record", i=1)
    orchestrator.wait_for("ran", task="record", pid=second.pid)


@pytest.mark.on("local")
def test_standby_stop_signal_ends_serve(orchestrator: OrchestratorUnderTest) -> None:
    orchestrator.start_worker()
    second = orchestrator.start_worker(wait=False)
    orchestrator.wait_until(
        lambda: "worker.standby_entered" in second.log.read_text(), seconds=20, what="standby"
    )

    second.terminate()

    assert orchestrator.how_ended(second) == "stopped"


def _submit_until_accepted(orchestrator: OrchestratorUnderTest) -> None:
    deadline = time.monotonic() + 40
    while True:
        try:
            orchestrator.run("record", i=3)
            return
        except OrchestratorUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
