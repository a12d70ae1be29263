"""What was accepted is stored, whatever is killed or restarted while events pour in."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.migrator import migrate
from tests.acceptance.instance import Instance
from tests.contract.modes.conftest import Load, get, make, stored_keys
from tests.fakes.own_postgres import OwnPostgres
from tests.waiting import wait_until


@pytest.fixture
def own_postgres() -> Iterator[OwnPostgres]:
    """A migrated server of the test's own, with durable settings."""
    directory = Path(tempfile.mkdtemp(prefix="hogsend-test-"))
    server = OwnPostgres(directory)
    try:
        server.start()
        migrate(DatabaseOptions(url=server.url))
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize("batch", ["false", "true"])
def test_api_is_killed_under_load_no_accepted_event_is_lost(instance: Instance, batch: str) -> None:
    instance.engine = {**instance.engine, "HOGSEND_INGEST_BATCH": batch}
    process = instance.start_api()
    load = Load(instance)
    load.wait_for(200)

    process.kill()
    process.wait(timeout=10)
    before = set(load.accepted)
    instance.start_api()
    load.wait_for(100)
    load.stop()

    stored = stored_keys(instance.dsn)
    assert len(before) >= 200
    assert load.accepted - stored == set()


def test_api_is_stopped_under_load_answers_what_it_took_and_exits_zero(
    instance: Instance,
) -> None:
    process = instance.start_api()
    load = Load(instance)
    load.wait_for(200)

    process.terminate()

    assert process.wait(timeout=20) == 0
    load.stop()
    assert load.accepted - stored_keys(instance.dsn) == set()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_postgres_is_restarted_under_load_no_accepted_event_is_lost(
    own_postgres: OwnPostgres, redis_url: str, tmp_path: Path, how: signal.Signals
) -> None:
    database = Database(DatabaseOptions(url=own_postgres.url, pool_size=1))
    instance = make(own_postgres.url, redis_url, database, tmp_path)
    try:
        instance.start_api()
        load = Load(instance)
        load.wait_for(200)

        own_postgres.stop(how)
        wait_until(lambda: load.refused > 0, seconds=20, what="the api says so")
        assert get(instance, "/v1/health/live")[0] == 200
        own_postgres.start()

        load.wait_for(100)
        load.stop()
        assert load.accepted - stored_keys(own_postgres.url) == set()
        query = Query("twice", "SELECT count(*) - count(DISTINCT idempotency_key) FROM user_events")
        assert database.run(query) == [(0,)]
    finally:
        instance.stop()
        database.close()


def test_backends_are_terminated_under_load_no_accepted_event_is_lost(
    instance: Instance,
) -> None:
    instance.start_api()
    load = Load(instance)
    load.wait_for(100)
    end_all = Query(
        "end_all",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    for _ in range(3):
        instance.database.run(end_all)
        load.wait_for(100)
    load.stop()

    assert load.accepted - stored_keys(instance.dsn) == set()


def test_one_of_two_processes_is_killed_under_load_the_other_answers_and_it_is_replaced(
    instance: Instance,
) -> None:
    instance.engine = {**instance.engine, "HOGSEND_API_PROCESSES": "2"}
    process = instance.start_api()
    load = Load(instance)
    load.wait_for(200)

    victim, survivor = children(process.pid)
    os.kill(victim, signal.SIGKILL)

    load.wait_for(200)
    wait_until(
        lambda: len(set(children(process.pid)) - {victim}) == 2, seconds=20, what="a new process"
    )
    assert survivor in children(process.pid)
    load.stop()
    assert load.accepted - stored_keys(instance.dsn) == set()
    process.terminate()
    assert process.wait(timeout=20) == 0


def children(pid: int) -> list[int]:
    """Process ids of the direct children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
