"""A database restored from a dump sends nothing, as real processes, until somebody accepts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.ops.fence import FENCED
from tests import copies
from tests.acceptance.engines import Engine
from tests.acceptance.instance import Instance
from tests.conftest import new_database
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

_PEOPLE = [f"sleeper-{number}" for number in range(5)]
_DUE = Query("due", "UPDATE waits SET due_at = now() - interval '1 minute' RETURNING state_id")
_HANDOVERS = Query("handovers", "SELECT coalesce(sum(attempts), 0)::int FROM outbox")


def test_restored_copy_sends_nothing_until_confirmed_and_the_original_goes_on(
    instance: Instance, engine: Engine, postgres_url: str, tmp_path: Path
) -> None:
    worker = instance.start_worker()
    instance.start_api()
    for person in _PEOPLE:
        instance.send("nap.wanted", person, seconds=3600)
    wait_until(
        lambda: instance.states().get("waiting") == len(_PEOPLE), seconds=30, what="all asleep"
    )
    copies.dump(instance.dsn, tmp_path / "dump")

    with new_database(postgres_url, "") as dsn:
        copies.restore(tmp_path / "dump", dsn)
        database = Database(DatabaseOptions(url=dsn, pool_size=2))
        copy = Instance(
            dsn=dsn,
            redis_url=instance.redis_url,
            database=database,
            directory=tmp_path / "copy",
            engine=engine.environ,
        )
        try:
            assert len(database.run(_DUE)) == len(_PEOPLE)
            fenced = copy.start("worker")
            wait_until(lambda: FENCED in copy.log("worker"), seconds=30, what="the fence speaks")
            # The original sends through the whole time the copy stands still.
            assert len(instance.database.run(_DUE)) == len(_PEOPLE)
            wait_until(
                lambda: len(instance.mails()) == len(_PEOPLE), seconds=40, what="original's mails"
            )
            assert copy.mails() == []
            assert fenced.poll() is None
            assert database.run(_HANDOVERS) == [(0,)]
            assert copy.log("worker").count(FENCED) == 1
            assert "hogsend restore confirm" in copy.log("worker")
            fenced.send_signal(signal.SIGTERM)
            assert fenced.wait(timeout=20) == 0, copy.log("worker")

            # The original is gone for good: the copy takes its place while a worker stands by.
            worker.send_signal(signal.SIGTERM)
            worker.wait(timeout=30)
            copy.start("worker")
            wait_until(
                lambda: copy.log("worker").count(FENCED) == 2, seconds=30, what="fenced again"
            )
            assert copy.mails() == []
            _hogsend(copy, "restore", "confirm")

            wait_until(
                lambda: len(copy.mails()) == len(_PEOPLE),
                seconds=60,
                what=lambda: f"the copy sends\n{copy.log('worker')}",
            )
            wait_until(
                lambda: copy.states() == {"completed": len(_PEOPLE)}, seconds=30, what="completed"
            )
        finally:
            copy.stop()
            database.close()

    for one in (instance, copy):
        assert [one.subjects_to(person) for person in _PEOPLE] == [["Note: awake"]] * len(_PEOPLE)


def _hogsend(instance: Instance, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hogsend", *arguments],
        env={"PATH": os.environ["PATH"], "DATABASE_URL": instance.dsn},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
