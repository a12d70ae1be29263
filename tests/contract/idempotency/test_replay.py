from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from hogsend.db import Database, Query
from hogsend.db.errors import DatabaseUnavailable
from hogsend.errors import InvalidInput
from hogsend.idempotency import Replay, purge_expired
from hogsend.idempotency.tasks import idempotency_tasks
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Run, Task
from hogsend.web.http import Request, Response
from hogsend.web.route import Route
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration

KEY = {"Idempotency-Key": "k1"}


class Counter:
    """A handler that counts; ``outcome`` is raised when it is an error."""

    def __init__(self) -> None:
        self.calls = 0
        self.outcome: Exception | None = None
        self.status = 201
        self.gate: threading.Event | None = None

    def __call__(self, req: Request, resp: Response, **params: str) -> None:
        self.calls += 1
        if self.gate is not None:
            self.gate.wait(10)
        if self.outcome is not None:
            raise self.outcome
        resp.json({"call": self.calls, **params}, self.status)


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def plane(database: Database, counter: Counter) -> DataPlane:
    return serve(database, counter, Replay(database))


def serve(database: Database, counter: Counter, replay: Replay) -> DataPlane:
    served = DataPlane(database)
    guard = served.guards.browser()
    routes = [
        Route(method="POST", path="/v1/things", handler=counter, guard=guard),
        Route(method="POST", path="/v1/things/{name}", handler=counter, guard=guard),
        Route(method="PUT", path="/v1/things", handler=counter, guard=guard),
        Route(method="GET", path="/v1/things", handler=counter, guard=guard),
    ]
    served.serve(replay.over(routes))
    return served


def test_repetition_gets_the_first_answer(plane: DataPlane, counter: Counter) -> None:
    first = plane.request("POST", "/v1/things", {"a": 1, "b": [2]}, headers=KEY)
    second = plane.request("POST", "/v1/things", {"b": [2], "a": 1}, headers=KEY)

    assert (first.status_code, first.json) == (201, {"call": 1})
    assert (second.status_code, second.json) == (201, {"call": 1})
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert counter.calls == 1


def test_without_a_key_everything_is_carried_out(plane: DataPlane, counter: Counter) -> None:
    for _ in range(2):
        plane.call("POST", "/v1/things", {})
        plane.call("GET", "/v1/things", headers=KEY)

    assert counter.calls == 4


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"a": 2}, "a"),
        ({"a": 1, "b": 0}, "b"),
        ({}, "a"),
        ({"c": 1}, "a, c"),
        ({"a": "1"}, "a"),
    ],
)
def test_other_request_under_the_same_key_is_refused_by_name(
    plane: DataPlane, counter: Counter, body: dict[str, Any], named: str
) -> None:
    plane.call("POST", "/v1/things", {"a": 1}, headers=KEY)

    result = plane.request("POST", "/v1/things", body, headers=KEY)

    assert result.status_code == 409
    assert result.json == {
        "error": f"The idempotency key was used for another request; different: {named}"
    }
    assert result.headers["x-error-code"] == "idempotency_key_reused"
    assert counter.calls == 1


def test_token_and_null_do_not_make_another_request(plane: DataPlane, counter: Counter) -> None:
    plane.call("POST", "/v1/things", {"a": 1, "userToken": "x"}, headers=KEY)

    status, _ = plane.call("POST", "/v1/things", {"a": 1, "userToken": "y", "b": None}, headers=KEY)

    assert (status, counter.calls) == (201, 1)


def test_path_is_part_of_the_request(plane: DataPlane, counter: Counter) -> None:
    plane.call("POST", "/v1/things/a", {}, headers=KEY)

    status, answer = plane.call("POST", "/v1/things/b", {}, headers=KEY)

    assert status == 409
    assert answer["error"].endswith("different: path name")


def test_routes_browsers_and_servers_have_their_own_keys(
    plane: DataPlane, counter: Counter
) -> None:
    plane.call("POST", "/v1/things", {"a": 1}, headers=KEY, key=plane.public)
    plane.call("POST", "/v1/things", {"a": 2}, headers=KEY)
    plane.call("PUT", "/v1/things", {"a": 3}, headers=KEY)

    assert counter.calls == 3


def test_another_secret_key_of_the_same_server_repeats(plane: DataPlane, counter: Counter) -> None:
    plane.call("POST", "/v1/things", {}, headers=KEY)
    plane.call("POST", "/v1/things", {}, headers=KEY, key=plane.admin)

    assert counter.calls == 1


@pytest.mark.parametrize("outcome", [InvalidInput("no"), RuntimeError("no")])
def test_failed_request_frees_its_key(
    plane: DataPlane, counter: Counter, outcome: Exception
) -> None:
    counter.outcome = outcome
    plane.call("POST", "/v1/things", {"a": 1}, headers=KEY)
    counter.outcome = None

    status, _ = plane.call("POST", "/v1/things", {"a": 2}, headers=KEY)

    assert (status, counter.calls) == (201, 2)


def test_answer_that_is_no_success_is_not_kept(plane: DataPlane, counter: Counter) -> None:
    counter.status = 503
    plane.call("POST", "/v1/things", {}, headers=KEY)
    counter.status = 200

    assert plane.call("POST", "/v1/things", {}, headers=KEY) == (200, {"call": 2})


def test_request_being_answered_is_not_carried_out_twice(
    plane: DataPlane, counter: Counter
) -> None:
    counter.gate = threading.Event()
    answers: list[int] = []
    first = threading.Thread(
        target=lambda: answers.append(plane.call("POST", "/v1/things", {}, headers=KEY)[0])
    )
    first.start()
    while counter.calls == 0:
        threading.Event().wait(0.01)

    meanwhile = plane.request("POST", "/v1/things", {}, headers=KEY)
    counter.gate.set()
    first.join()

    assert meanwhile.status_code == 409
    assert meanwhile.headers["x-error-code"] == "request_in_progress"
    assert answers == [201]
    assert counter.calls == 1


def test_abandoned_request_can_be_repeated_after_its_lease(
    database: Database, counter: Counter
) -> None:
    plane = serve(database, counter, Replay(database, lease_seconds=0.2))
    plane.call("POST", "/v1/things", {"a": 1}, headers=KEY)
    # As a process leaves it that dies before it can keep the answer.
    database.run(Query("t", "UPDATE idempotency_keys SET http_status = NULL, response = NULL"))

    early = plane.call("POST", "/v1/things", {"a": 1}, headers=KEY)[0]
    database.run(
        Query("t", "UPDATE idempotency_keys SET created_at = created_at - interval '1 minute'")
    )
    other = plane.call("POST", "/v1/things", {"a": 2}, headers=KEY)[0]
    late = plane.call("POST", "/v1/things", {"a": 1}, headers=KEY)[0]

    assert (early, other, late) == (409, 409, 201)
    assert counter.calls == 2


def test_expired_keys_are_free_and_purged(database: Database, counter: Counter) -> None:
    plane = serve(database, counter, Replay(database))
    for number in range(3):
        plane.call("POST", "/v1/things", {}, headers={"Idempotency-Key": f"k{number}"})
    database.run(
        Query("t", "UPDATE idempotency_keys SET expires_at = now() WHERE key IN ('k0', 'k1')")
    )

    again = plane.call("POST", "/v1/things", {"other": 1}, headers={"Idempotency-Key": "k0"})
    purged = [purge_expired(database, limit=1) for _ in range(2)]

    assert again == (201, {"call": 4})
    assert purged == [1, 0]
    left = database.run(Query("t", "SELECT key FROM idempotency_keys ORDER BY key"))
    assert left == [("k0",), ("k2",)]


@pytest.fixture
def comparing(database: Database, counter: Counter) -> DataPlane:
    """A route whose handler knows its own keys."""
    served = DataPlane(database)
    route = Route(method="POST", path="/v1/things", handler=counter, guard=served.guards.browser())
    served.serve(Replay(database).compare([route]))
    return served


@pytest.mark.parametrize("where", ["header", "body"])
def test_compared_route_is_asked_each_time_and_spared_other_requests(
    comparing: DataPlane, counter: Counter, where: str
) -> None:
    headers = KEY if where == "header" else {}
    key = {} if where == "header" else {"idempotencyKey": "k1"}

    same = [comparing.call("POST", "/v1/things", {"a": 1} | key, headers=headers) for _ in range(2)]
    other = comparing.call("POST", "/v1/things", {"a": 2} | key, headers=headers)

    assert same == [(201, {"call": 1}), (201, {"call": 2})]
    assert other[0] == 409
    assert other[1]["error"].endswith("different: a")
    assert counter.calls == 2


def test_compared_route_that_refused_frees_its_key(comparing: DataPlane, counter: Counter) -> None:
    counter.outcome = InvalidInput("no")
    comparing.call("POST", "/v1/things", {"a": 1}, headers=KEY)
    counter.outcome = None

    assert comparing.call("POST", "/v1/things", {"a": 2}, headers=KEY)[0] == 201


def test_hourly_task_deletes_everything_that_expired(database: Database, counter: Counter) -> None:
    plane = serve(database, counter, Replay(database, ttl_seconds=0))
    for number in range(3):
        plane.call("POST", "/v1/things", {}, headers={"Idempotency-Key": f"k{number}"})
    (task,) = idempotency_tasks(database)

    answer = asyncio.run(_run(task))

    assert answer == {"deleted": 3}
    assert task.cron is not None


async def _run(task: Task) -> JsonObject | None:
    run = Run(task=task.name, input={}, run_id="r", attempt=1, metadata={})
    return await task.handler(run)


def test_name_of_a_field_that_cannot_be_stored_is_refused(
    plane: DataPlane, counter: Counter
) -> None:
    status, _ = plane.call("POST", "/v1/things", {"\0": 1}, headers=KEY)

    assert (status, counter.calls) == (400, 0)


def test_too_long_key_is_refused(plane: DataPlane, counter: Counter) -> None:
    status, _ = plane.call("POST", "/v1/things", {}, headers={"Idempotency-Key": "x" * 513})

    assert (status, counter.calls) == (400, 0)


def test_lost_database_answers_503_and_carries_out_nothing(
    database: Database, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*args: object, **kwargs: object) -> bool:
        raise DatabaseUnavailable("gone")

    plane = serve(database, counter, Replay(database))
    monkeypatch.setattr("hogsend.idempotency.store.claim_key", lost)

    assert plane.call("POST", "/v1/things", {}, headers=KEY)[0] == 503
    assert counter.calls == 0
