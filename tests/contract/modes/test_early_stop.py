"""Told to stop before anything runs."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.locks import MIGRATION_KEY, AdvisoryLock
from tests.acceptance.instance import Instance
from tests.waiting import wait_until

_NOBODY = "postgresql://me@127.0.0.1:1/db"


@pytest.mark.parametrize("mode", ["api", "worker"])
def test_sigterm_while_waiting_for_the_database_exits_zero(instance: Instance, mode: str) -> None:
    process = instance.start(mode, DATABASE_URL=_NOBODY, HOGSEND_DATABASE_WAIT_SECONDS="60")
    _wait_for_handler(process)

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=15) == 0
    assert "Traceback" not in instance.log(mode)


def test_sigterm_during_a_migration_exits_one_and_frees_the_lock(
    instance: Instance, empty_dsn: str
) -> None:
    db = Database(DatabaseOptions(url=empty_dsn, pool_size=1))
    other = AdvisoryLock(db.options, MIGRATION_KEY)
    assert other.try_acquire()
    process = instance.start("migrate", DATABASE_URL=empty_dsn)
    wait_until(
        lambda: "Another migration is running" in instance.log("migrate"), seconds=20, what="waits"
    )

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=15) == 1
    other.release()
    assert db.run(Query("ledger", "SELECT to_regclass('hogsend.migrations')::text")) == [(None,)]
    db.close()


def _wait_for_handler(process: subprocess.Popen[bytes]) -> None:
    """Until SIGTERM is caught."""

    def is_caught() -> bool:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    wait_until(is_caught, seconds=20, what="SIGTERM is caught")
