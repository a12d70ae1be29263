"""``hogsend worker`` as a process: guard, drain, and what goes away while it runs."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from hogsend.db import Database, Query
from hogsend.db.migrator import migrate
from hogsend.db.options import DatabaseOptions
from tests.acceptance.instance import Instance
from tests.contract.modes.conftest import get, make, through_proxy
from tests.waiting import wait_until

_END_ALL = Query(
    "end_all",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
)


def test_boot_schema_stays_behind_exits_one_after_the_wait(
    empty_dsn: str, redis_url: str, database: Database, tmp_path: Path
) -> None:
    instance = make(empty_dsn, redis_url, database, tmp_path)

    process = instance.start("worker")

    assert process.wait(timeout=30) == 1
    log = instance.log("worker")
    assert "Hogsend worker starting" in log
    assert "Database schema is behind this build" in log
    assert "Hogsend worker ready" not in log


def test_boot_migration_comes_while_it_waits_gets_ready(
    empty_dsn: str, redis_url: str, database: Database, tmp_path: Path
) -> None:
    instance = make(empty_dsn, redis_url, database, tmp_path, HOGSEND_DATABASE_WAIT_SECONDS="60")
    instance.start("worker")
    wait_until(
        lambda: "Hogsend worker starting" in instance.log("worker"), seconds=20, what="starting"
    )

    migrate(DatabaseOptions(url=empty_dsn))

    wait_until(lambda: "Hogsend worker ready" in instance.log("worker"), seconds=20, what="ready")
    instance.stop()


def test_boot_database_is_unreachable_exits_one(instance: Instance) -> None:
    process = instance.start("worker", DATABASE_URL="postgresql://me:hidden@127.0.0.1:1/db")

    assert process.wait(timeout=30) == 1
    assert instance.log("worker").count("Database unreachable") == 1
    assert "hidden" not in instance.log("worker")


def test_ready_worker_is_seen_by_health_and_is_gone_after_a_clean_stop(
    instance: Instance,
) -> None:
    instance.start_api()
    worker = instance.start_worker()
    wait_until(
        lambda: get(instance, "/v1/health")[1]["components"]["worker"]["status"] == "up",
        seconds=10,
        what="the worker is seen",
    )

    worker.terminate()

    assert worker.wait(timeout=20) == 0
    assert "Worker stopped" in instance.log("worker")
    wait_until(
        lambda: get(instance, "/v1/health")[1]["components"]["worker"] == {"status": "down"},
        seconds=10,
        what="the worker said goodbye",
    )


def test_stop_handler_outlasts_the_drain_is_forced_and_exits_one(instance: Instance) -> None:
    instance.engine = {**instance.engine, "SHUTDOWN_TIMEOUT_SECONDS": "1"}
    instance.start_api()
    worker = instance.start_worker()
    instance.send("stuck.wanted", "u1")
    wait_until(lambda: "stuck has begun" in instance.log("worker"), seconds=20, what="stuck")

    worker.terminate()

    assert worker.wait(timeout=40) == 1  # the handler sleeps for ten minutes
    assert "forced" in instance.log("worker")


def test_stop_second_signal_does_not_wait_for_the_drain(instance: Instance) -> None:
    instance.engine = {**instance.engine, "SHUTDOWN_TIMEOUT_SECONDS": "60"}
    instance.start_api()
    worker = instance.start_worker()
    instance.send("stuck.wanted", "u1")
    wait_until(lambda: "stuck has begun" in instance.log("worker"), seconds=20, what="stuck")
    worker.send_signal(signal.SIGINT)
    wait_until(lambda: "shutting down" in instance.log("worker"), seconds=10, what="draining")

    worker.send_signal(signal.SIGINT)

    assert worker.wait(timeout=20) == 1


def test_redis_is_gone_journeys_run(instance: Instance) -> None:
    instance.engine = {**instance.engine, "REDIS_URL": "redis://127.0.0.1:1"}
    instance.start_api()
    instance.start_worker()

    instance.send("mail.wanted", "u1")

    wait_until(
        lambda: instance.subjects_to("u1") == ["Note: straight"], seconds=20, what="the mail"
    )


def test_every_backend_is_terminated_worker_goes_on_and_sends_once(instance: Instance) -> None:
    instance.start_api()
    worker = instance.start_worker()

    for i in range(5):
        instance.database.run(_END_ALL)
        instance.send("mail.wanted", f"u{i}")
    wait_until(lambda: len(instance.mails()) == 5, seconds=40, what="five mails")

    time.sleep(0.5)
    assert [instance.subjects_to(f"u{i}") for i in range(5)] == [["Note: straight"]] * 5
    assert worker.poll() is None


def test_database_is_away_for_a_while_worker_survives_and_catches_up(instance: Instance) -> None:
    instance.start_api()
    between = through_proxy(instance.dsn)
    instance.engine = {**instance.engine, "DATABASE_URL": between.url}
    worker = instance.start_worker()

    between.proxy.cut()
    instance.send("mail.wanted", "u1")
    time.sleep(2)
    assert worker.poll() is None
    assert instance.mails() == []
    between.proxy.mend()

    wait_until(
        lambda: instance.subjects_to("u1") == ["Note: straight"], seconds=40, what="the mail"
    )
    between.proxy.close()


def test_second_worker_on_the_local_engine_waits_as_standby_and_takes_over(
    instance: Instance,
) -> None:
    instance.start_api()
    first = instance.start_worker()
    instance.start("worker")
    wait_until(
        lambda: "worker.standby_entered" in instance.log("worker"), seconds=30, what="standby"
    )

    first.kill()

    wait_until(
        lambda: instance.log("worker").count("Hogsend worker ready") == 2,
        seconds=30,
        what="the second one is ready",
    )
    instance.send("mail.wanted", "u1")
    wait_until(lambda: len(instance.mails()) == 1, seconds=30, what="the mail")
