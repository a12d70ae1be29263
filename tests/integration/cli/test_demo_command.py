"""``hogsend demo``: one real event on a running instance, followed to the inbox."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hogsend.db import Database, Query
from tests.acceptance.instance import Instance
from tests.fakes.http_api import HttpApi
from tests.unit.cli.conftest import Cli


@pytest.fixture
def instance(dsn: str, redis_url: str, database: Database, tmp_path: Path) -> Iterator[Instance]:
    """The built-in example on the local engine; nothing started yet."""
    made = Instance(
        dsn=dsn,
        redis_url=redis_url,
        database=database,
        directory=tmp_path,
        engine={
            "HOGSEND_ORCHESTRATOR": "local",
            "HOGSEND_APP": "hogsend.examples.lifecycle:app",
        },
    )
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def api() -> Iterator[HttpApi]:
    """An API that answers what the test says."""
    fake = HttpApi()
    try:
        yield fake
    finally:
        fake.close()


def live_keys(database: Database) -> int:
    query = Query("k", "SELECT count(*) FROM api_keys WHERE name = 'demo' AND revoked_at IS NULL")
    return int(database.run(query)[0][0])


def test_demo_running_instance_arrives_and_leaves_no_key(
    instance: Instance, database: Database, tmp_path: Path
) -> None:
    instance.start_api()
    instance.start_worker()
    url = f"http://127.0.0.1:{instance.port}"

    result = Cli(tmp_path).run("demo", "--url", url, "--database-url", instance.dsn, "--json")

    outcome = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert outcome["arrived"] is True
    assert outcome["status"] == "completed"
    assert outcome["mails"]
    assert {mail["status"] for mail in outcome["mails"]} == {"sent"}
    assert len(instance.mails()) == len(outcome["mails"])
    assert live_keys(database) == 0


def test_demo_no_worker_runs_says_so_and_exits_one(
    instance: Instance, database: Database, tmp_path: Path
) -> None:
    instance.start_api()
    url = f"http://127.0.0.1:{instance.port}"

    result = Cli(tmp_path).run(
        "demo", "--url", url, "--database-url", instance.dsn, "--timeout", "1"
    )

    assert result.exit_code == 1
    assert "not arrived" in result.stdout
    assert live_keys(database) == 0


def test_demo_api_refuses_the_event_exits_one_and_leaves_no_key(
    dsn: str, database: Database, api: HttpApi, tmp_path: Path
) -> None:
    api.answer = (401, {"error": "Unauthorized"})

    result = Cli(tmp_path).run("demo", "--url", api.url, "--database-url", dsn)

    assert result.exit_code == 1
    assert "answered 401" in result.stderr
    assert live_keys(database) == 0


def test_demo_nobody_listens_exits_one_with_advice(
    dsn: str, database: Database, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    result = Cli(tmp_path).run("demo", "--url", f"http://127.0.0.1:{port}", "--database-url", dsn)

    assert result.exit_code == 1
    assert "is it running?" in result.stderr
    assert live_keys(database) == 0


def test_demo_url_without_database_is_wrong_usage(tmp_path: Path) -> None:
    result = Cli(tmp_path).run("demo", "--url", "http://127.0.0.1:1")

    assert result.exit_code == 2
    assert "--database-url" in result.stderr
