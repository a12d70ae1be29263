"""``hogsend api`` as a process: boot, health, stop."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from hogsend.db import Database, Query
from hogsend.db.migration_files import load_engine_track
from tests.acceptance.instance import Instance
from tests.contract.modes.conftest import get, make, stop_gently, through_proxy
from tests.waiting import wait_until

_NEWEST = load_engine_track()[-1].name


def forget_newest_migration(database: Database) -> None:
    database.run(
        Query(
            "forget",
            "DELETE FROM hogsend.migrations WHERE track = 'engine' AND version ="
            " (SELECT max(version) FROM hogsend.migrations WHERE track = 'engine')",
        )
    )


def test_boot_schema_is_behind_exits_one_and_says_what_to_run(instance: Instance) -> None:
    forget_newest_migration(instance.database)

    process = instance.start("api")

    assert process.wait(timeout=30) == 1
    log = instance.log("api")
    assert log.count("Database schema is behind this build") == 1
    assert _NEWEST in log
    assert "hogsend migrate" in log
    assert "SKIP_SCHEMA_CHECK=true" in log
    assert "Hogsend API ready" not in log


def test_boot_database_is_empty_says_so(
    empty_dsn: str, redis_url: str, database: Database, tmp_path: Path
) -> None:
    instance = make(empty_dsn, redis_url, database, tmp_path)

    process = instance.start("api")

    assert process.wait(timeout=30) == 1
    assert "(empty)" in instance.log("api")


def test_boot_database_is_unreachable_exits_one_after_the_wait(instance: Instance) -> None:
    process = instance.start("api", DATABASE_URL="postgresql://me:hidden@127.0.0.1:1/db")

    assert process.wait(timeout=30) == 1
    log = instance.log("api")
    assert log.count("Database unreachable") == 1
    assert "hidden" not in log
    assert "Traceback" not in log


def test_boot_everything_is_down_serves_when_told_to_skip_the_check(instance: Instance) -> None:
    process = instance.start(
        "api",
        DATABASE_URL="postgresql://me@127.0.0.1:1/db",
        REDIS_URL="redis://127.0.0.1:1",
        SKIP_SCHEMA_CHECK="true",
    )

    wait_until(
        lambda: "Hogsend API ready" in instance.log("api"), seconds=12, what=instance.log("api")
    )

    status, body = get(instance, "/v1/health")
    assert (status, body["status"]) == (200, "degraded")
    assert body["schema"]["engine"]["inSync"] is True
    assert get(instance, "/v1/health/live") == (200, {"status": "live"})
    assert get(instance, "/v1/health/ready")[0] == 503
    assert stop_gently(instance, process) == 0


def test_boot_port_is_taken_exits_one(instance: Instance) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        process = instance.start("api", PORT=str(taken.getsockname()[1]))

        assert process.wait(timeout=30) == 1
    assert "port.taken" in instance.log("api")


def test_health_healthy_body_has_exactly_the_documented_keys(instance: Instance) -> None:
    instance.start_api()

    status, body = get(instance, "/v1/health")

    assert status == 200
    assert set(body) == {
        *("status", "schema", "uptime", "timestamp", "version", "components", "activity")
    }
    assert body["status"] == "healthy"
    assert body["version"] == "0.0.1"
    assert body["schema"]["engine"] == {
        "applied": _NEWEST,
        "required": _NEWEST,
        "inSync": True,
        "pending": [],
    }
    assert body["components"]["worker"] == {"status": "down"}
    assert set(body["components"]["database"]) == {"status", "latencyMs"}
    assert body["activity"] == {
        "windowHours": 24,
        "journeys": {"failed": 0, "completed": 0},
        "emails": {"failed": 0, "sent": 0},
    }
    assert get(instance, "/v1/health", "HEAD") == (200, None)
    assert get(instance, "/health")[0] == 404
    assert get(instance, "/v1/health/ready") == (200, {"status": "ready"})


def test_health_track_falls_behind_under_a_running_api_is_503_with_the_same_body(
    instance: Instance,
) -> None:
    instance.start_api()
    forget_newest_migration(instance.database)
    wait_until(lambda: get(instance, "/v1/health")[0] == 503, seconds=10, what="migration_pending")

    status, body = get(instance, "/v1/health")

    assert (status, body["status"]) == (503, "migration_pending")
    assert body["schema"]["engine"]["pending"] == [_NEWEST]
    assert body["components"]["database"]["status"] == "up"
    assert get(instance, "/v1/health/ready")[0] == 503
    assert get(instance, "/v1/health/live")[0] == 200


@pytest.mark.parametrize("how", ["cut", "hang"])
def test_health_database_goes_away_is_degraded_in_time_and_comes_back(
    instance: Instance, how: str
) -> None:
    between = through_proxy(instance.dsn)
    instance.engine = {**instance.engine, "DATABASE_URL": between.url}
    instance.start_api()

    getattr(between.proxy, how)()

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        started = time.monotonic()
        status, body = get(instance, "/v1/health")
        assert time.monotonic() - started < 10
        assert status == 200
        assert body["status"] in ("healthy", "degraded")
        if body["status"] == "degraded":
            break
    assert body["status"] == "degraded"
    assert body["components"]["database"]["status"] == "down"
    assert get(instance, "/v1/health/live")[0] == 200
    assert get(instance, "/v1/health/ready")[0] == 503
    between.proxy.mend()
    if how == "cut":
        wait_until(
            lambda: get(instance, "/v1/health")[1]["status"] == "healthy",
            seconds=20,
            what="healthy again",
        )
    between.proxy.close()


def test_redis_is_gone_events_are_accepted_and_health_says_degraded(instance: Instance) -> None:
    instance.engine = {**instance.engine, "REDIS_URL": "redis://127.0.0.1:1"}
    instance.start_api()

    instance.send("anything", "u1")

    status, body = get(instance, "/v1/health")
    assert (status, body["status"]) == (200, "degraded")
    assert body["components"]["redis"]["status"] == "down"
    assert get(instance, "/v1/health/ready")[0] == 200


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_drains_and_exits_zero(instance: Instance, sent: signal.Signals) -> None:
    process = instance.start_api()

    process.send_signal(sent)

    assert process.wait(timeout=20) == 0
    log = instance.log("api")
    assert f"{sent.name} received, shutting down gracefully" in log
    assert "Server closed" in log
