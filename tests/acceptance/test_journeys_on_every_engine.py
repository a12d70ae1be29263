"""The promises of a journey, kept on every engine by real processes."""

from __future__ import annotations

import signal
import time
from uuid import uuid4

import pytest

from hogsend.db import Query
from tests.acceptance.engines import Engine
from tests.acceptance.instance import Instance, kill_group
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

_LEFT = Query(
    "left", "SELECT (SELECT count(*) FROM waits)::int, (SELECT count(*) FROM outbox)::int"
)


@pytest.fixture
def running(instance: Instance) -> Instance:
    """The instance with an API and one worker."""
    instance.start_api()
    instance.start_worker()
    return instance


def _expect_mails(instance: Instance, user: str, subjects: list[str], *, seconds: float) -> None:
    wait_until(
        lambda: instance.subjects_to(user) == subjects,
        seconds=seconds,
        what=f"{user} has {subjects}, got {instance.subjects_to(user)}",
    )


def test_event_when_journey_sends_at_once_becomes_one_mail(running: Instance) -> None:
    running.send("mail.wanted", "ada")

    _expect_mails(running, "ada", ["Note: straight"], seconds=15)
    wait_until(lambda: running.states() == {"completed": 1}, seconds=10, what="completed")


def test_pause_when_due_wakes_and_completes(running: Instance) -> None:
    running.send("nap.wanted", "ada", seconds=4)

    wait_until(lambda: running.states() == {"waiting": 1}, seconds=10, what="waiting")
    _expect_mails(running, "ada", ["Note: awake"], seconds=15)
    wait_until(lambda: running.states() == {"completed": 1}, seconds=15, what="completed")


def test_wait_when_event_comes_first_takes_the_answer(running: Instance) -> None:
    running.send("question.asked", "ada", patience=60)
    wait_until(lambda: running.states() == {"waiting": 1}, seconds=10, what="waiting")

    running.send("question.answered", "ada")

    _expect_mails(running, "ada", ["Note: answered"], seconds=15)


def test_wait_when_event_races_the_timeout_has_exactly_one_outcome(running: Instance) -> None:
    people = [f"racer{n}" for n in range(20)]
    for person in people:
        running.send("question.asked", person, patience=1)
    wait_until(
        lambda: sum(running.states().values()) == len(people), seconds=15, what="all enrolled"
    )

    for person in people:
        running.send("question.answered", person)

    wait_until(
        lambda: running.states() == {"completed": len(people)}, seconds=30, what="all completed"
    )
    outcomes = [running.subjects_to(person) for person in people]
    assert all(len(o) == 1 for o in outcomes), outcomes


def test_exit_while_waiting_sends_nothing_more(running: Instance) -> None:
    running.send("question.asked", "ada", patience=600)
    wait_until(lambda: running.states() == {"waiting": 1}, seconds=10, what="waiting")

    running.send("question.withdrawn", "ada")

    wait_until(lambda: running.states() == {"exited": 1}, seconds=15, what="exited")
    # Nothing is left that could wake the journey when its time would have been up.
    assert running.database.run(_LEFT) == [(0, 0)]
    assert running.subjects_to("ada") == []


def test_event_sent_twice_under_one_key_becomes_one_mail(running: Instance) -> None:
    body = {
        "name": "mail.wanted",
        "userId": "ada",
        "email": "ada@people.test",
        "idempotencyKey": uuid4().hex,
    }
    for _ in range(3):
        assert running.post("/v1/events", body).status == 202

    _expect_mails(running, "ada", ["Note: straight"], seconds=15)
    time.sleep(2)  # a second mail would arrive now
    assert running.subjects_to("ada") == ["Note: straight"]


def test_batch_with_poisoned_members_takes_no_other_down(running: Instance) -> None:
    events = [
        {
            "name": "picky.started",
            "userId": f"p{n}",
            "email": f"p{n}@people.test",
            "eventProperties": {"poison": n == 3, "bad_template": n == 5},
        }
        for n in range(10)
    ]
    assert running.post("/v1/events/batch", {"events": events}).status == 202

    wait_until(
        lambda: len(running.mails()) == 8, seconds=30, what="the eight healthy members have mail"
    )
    assert running.subjects_to("p3") == []
    assert running.subjects_to("p5") == []


def test_worker_killed_in_mid_journey_resumes_elsewhere(instance: Instance) -> None:
    instance.start_api()
    first = instance.start_worker()
    for n in range(10):
        instance.send("nap.wanted", f"s{n}", seconds=8)
    wait_until(lambda: instance.states() == {"waiting": 10}, seconds=20, what="all waiting")

    kill_group(first)
    instance.start_worker()

    wait_until(lambda: instance.states() == {"completed": 10}, seconds=90, what="all completed")
    assert all(instance.subjects_to(f"s{n}") == ["Note: awake"] for n in range(10))


def test_engine_gone_while_events_arrive_loses_none(instance: Instance, engine: Engine) -> None:
    instance.start_api()
    instance.start_worker()

    with engine.gone(instance):
        for n in range(5):
            instance.send("mail.wanted", f"d{n}")
        time.sleep(2)

    # A mail is there a moment before the advance that sent it is settled.
    wait_until(lambda: instance.states() == {"completed": 5}, seconds=90, what="all completed")
    assert len(instance.mails()) == 5


def test_worker_told_to_stop_drains_and_answers_zero(running: Instance) -> None:
    worker = running.processes[-1]
    running.send("nap.wanted", "ada", seconds=60)
    wait_until(lambda: running.states() == {"waiting": 1}, seconds=15, what="waiting")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(timeout=20) == 0, running.log("worker")
    assert running.states() == {"waiting": 1}
