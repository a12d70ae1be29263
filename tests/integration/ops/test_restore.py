"""Which database is the installation, and which one is a copy of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from hogsend.db import Database, DatabaseOptions, Query, home
from hogsend.embedded import PostgresServer
from hogsend.kernel.ids import uuid7
from hogsend.ops.fence import Fence
from hogsend.outbox import Relay, store
from tests import copies
from tests.conftest import new_database, with_database
from tests.unit.cli.conftest import Cli

_ROW = "SELECT value::text FROM operator_settings WHERE key = 'installation'"


@pytest.fixture
def original(database: Database) -> Database:
    """A database that knows where it lives."""
    assert settle(database) is None
    return database


def settle(db: Database, *, url: str | None = None) -> str | None:
    options = db.options if url is None else replace(db.options, url=url)
    return home.settle(db, options, new_id=uuid7())


def run(db: Database, sql: str) -> list[tuple[object, ...]]:
    return list(db.run(Query("test", sql)))


def opened(url: str) -> Database:
    return Database(DatabaseOptions(url=url, pool_size=2))


def test_original_after_any_number_of_restarts_stays_at_home(original: Database) -> None:
    before = run(original, _ROW)

    reasons = [settle(original) for _ in range(3)]

    assert reasons == [None, None, None]
    assert run(original, _ROW) == before


def test_installation_row_does_not_tell_where_the_original_is(original: Database) -> None:
    (row,) = run(original, _ROW)

    assert "127.0.0.1" not in str(row)
    assert "hogsend_test" not in str(row)


def test_dump_restored_into_another_database_is_a_copy(
    original: Database, dsn: str, postgres_url: str, tmp_path: Path
) -> None:
    copies.dump(dsn, tmp_path / "dump")

    with new_database(postgres_url, "") as url:
        copies.restore(tmp_path / "dump", url)
        db = opened(url)
        found = settle(db), home.find_reason(db, db.options)
        db.close()

    assert found == (home.OTHER_DATABASE, home.OTHER_DATABASE)
    assert settle(original) is None


def test_dump_restored_over_the_original_is_a_copy(
    original: Database, dsn: str, tmp_path: Path
) -> None:
    copies.dump(dsn, tmp_path / "dump")

    copies.restore(tmp_path / "dump", dsn, "--clean", "--if-exists", "--single-transaction")

    assert settle(original) == home.OTHER_TABLES


def test_template_copy_is_a_copy(original: Database, dsn: str, postgres_url: str) -> None:
    original.close()

    with new_database(postgres_url, f"TEMPLATE {_name(dsn)}") as url:
        db = opened(url)
        reason = settle(db)
        db.close()

    assert reason == home.OTHER_DATABASE


def test_other_address_of_the_same_database_is_learned(original: Database, dsn: str) -> None:
    pooled = dsn.replace("127.0.0.1", "pooler.internal")

    assert settle(original, url=pooled) is None

    addresses = json.loads(str(run(original, _ROW)[0][0]))["addresses"]
    assert len(addresses) == 2


def test_role_that_may_not_ask_about_the_cluster_still_tells_copies(
    original: Database, dsn: str, postgres_url: str
) -> None:
    role = f"modest_{uuid4().hex[:8]}"
    run(original, "DELETE FROM operator_settings")
    run(original, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    run(original, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    run(original, f"GRANT ALL ON operator_settings TO {role}")
    modest = opened(_as_role(dsn, role))
    try:
        assert settle(modest) is None
        elsewhere = settle(modest, url=modest.options.url.replace("127.0.0.1", "elsewhere"))
        again = settle(modest)
        place = home.read_place(modest)
        original.close()
        modest.close()
        with new_database(postgres_url, f"TEMPLATE {_name(dsn)}") as url:
            copy = opened(_as_role(url, role))
            reason = settle(copy)
            copy.close()
    finally:
        modest.close()
        admin = opened(dsn)
        run(admin, f"DROP OWNED BY {role}")
        run(admin, f"DROP ROLE {role}")
        admin.close()

    assert place.cluster is None
    assert (elsewhere, again, reason) == (home.OTHER_SERVER, None, home.OTHER_DATABASE)


def _name(dsn: str) -> str:
    return urlsplit(dsn).path.lstrip("/")


def _as_role(url: str, role: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:x@{rest.rpartition('@')[2]}"


@pytest.mark.slow
def test_failover_is_no_copy_and_recovery_elsewhere_is(
    cluster: tuple[PostgresServer, Path],
) -> None:
    server, directory = cluster
    with _running(server.programs, server.data, server.port, server.run_as):
        server.wait_ready(30)
        server.ensure_database()
        first = opened(server.dsn)
        run(
            first,
            "CREATE TABLE operator_settings (key text PRIMARY KEY, value jsonb NOT NULL,"
            " updated_at timestamptz NOT NULL DEFAULT now())",
        )
        assert settle(first) is None
        first.close()
        _clone(server, directory / "standby")
    port = server.port + 1
    with _running(server.programs, directory / "standby", port, server.run_as):
        moved = replace(server, data=directory / "standby", port=port)
        moved.wait_ready(30)
        second = opened(moved.dsn)
        run(second, "SELECT pg_promote()")

        recovered_elsewhere = settle(second)
        behind_the_same_address = settle(second, url=server.dsn)
        elsewhere_afterwards = settle(second)
        second.close()

    assert recovered_elsewhere == home.RECOVERED
    assert behind_the_same_address is None
    # The timeline is known now, so this is one more address of the same database.
    assert elsewhere_afterwards is None


@pytest.mark.slow
def test_dump_restored_on_another_server_is_a_copy(
    original: Database, dsn: str, tmp_path: Path, cluster: tuple[PostgresServer, Path]
) -> None:
    copies.dump(dsn, tmp_path / "dump")
    server, _ = cluster

    with _running(server.programs, server.data, server.port, server.run_as):
        server.wait_ready(30)
        server.ensure_database()
        copies.restore(tmp_path / "dump", server.dsn)
        db = opened(server.dsn)
        reason = settle(db)
        db.close()

    assert reason == home.OTHER_SERVER


def test_fence_stops_a_running_relay_when_a_dump_is_restored_under_it(
    original: Database, dsn: str, tmp_path: Path
) -> None:
    moved = threading.Event()
    fence = Fence(original, new_id=uuid7)
    fence.watch(moved.set)
    relay = Relay(original, [], may_ship=fence.may_ship, poll=timedelta(milliseconds=20))
    copies.dump(dsn, tmp_path / "dump")
    relay.start()

    copies.restore(tmp_path / "dump", dsn, "--clean", "--if-exists", "--single-transaction")

    assert moved.wait(10)
    assert fence.has_moved
    store.insert_row(original, topic="t", subject="s", payload={})
    relay.stop()
    assert run(original, "SELECT attempts FROM outbox") == [(0,)]


def test_fence_unanswered_ships_nothing_and_recovers(original: Database) -> None:
    fence = Fence(original, new_id=uuid7)
    run(original, "ALTER TABLE operator_settings RENAME TO away")

    refused = fence.may_ship()

    run(original, "ALTER TABLE away RENAME TO operator_settings")
    assert (refused, fence.may_ship(), fence.has_moved) == (False, True, False)


def test_restore_commands_show_fence_confirm(original: Database, dsn: str, tmp_path: Path) -> None:
    line = Cli(tmp_path)
    line.environ = {"DATABASE_URL": dsn}

    fenced = line.run("restore", "fence")

    assert fenced.exit_code == 0, fenced.output
    assert settle(original) == home.FENCED
    assert line.run_json("restore", "status")["reason"] == home.FENCED
    assert "is a copy" in line.run("restore", "status").stdout
    assert line.run_json("restore", "confirm") == {"parkedPromises": 0, "parkedSleepers": 0}
    assert settle(original) is None
    assert "is the installation" in line.run("restore", "status").stdout


def test_restore_confirm_puts_aside_what_was_due_before(
    original: Database, dsn: str, tmp_path: Path
) -> None:
    line = Cli(tmp_path)
    line.environ = {"DATABASE_URL": dsn}
    due = {name: uuid4() for name in ("long", "just", "later")}
    for name, offset in (("long", "-2 hours"), ("just", "-10 minutes"), ("later", "1 hour")):
        run(
            original,
            f"INSERT INTO journey_states (id, user_id, journey_id, status)"
            f" VALUES ('{due[name]}', '{name}', 'j', 'waiting')",
        )
        run(
            original,
            f"INSERT INTO waits (state_id, journey_id, step_key, kind, label, user_id, due_at)"
            f" VALUES ('{due[name]}', 'j', 's', 'sleep', 's', '{name}',"
            f" now() + interval '{offset}')",
        )
        run(
            original,
            f"INSERT INTO outbox (topic, subject, available_at, created_at) VALUES ('t', '{name}',"
            f" now() + interval '{offset}', now() - interval '3 hours')",
        )

    parked = line.run_json("restore", "confirm", "--park-due-older-than", "1h")

    assert parked == {"parkedPromises": 1, "parkedSleepers": 1}
    assert run(original, "SELECT subject FROM outbox WHERE parked_at IS NULL ORDER BY 1") == [
        ("just",),
        ("later",),
    ]
    assert run(original, "SELECT user_id FROM waits WHERE outcome IS NULL ORDER BY 1") == [
        ("just",),
        ("later",),
    ]
    assert set(run(original, "SELECT ref_id FROM outbox WHERE parked_at IS NOT NULL")) == {
        (due["long"],),
        (None,),
    }
    everything = line.run_json(
        "restore", "confirm", "--park-due-before", datetime.now(UTC).isoformat()
    )
    assert everything == {"parkedPromises": 1, "parkedSleepers": 1}


@pytest.mark.parametrize(
    "options",
    [
        ("--park-due-older-than", "1h", "--park-due-before", "2026-01-01T00:00:00Z"),
        ("--park-due-before", "2026-01-01T00:00:00"),
        ("--park-due-before", "yesterday"),
        ("--park-due-older-than", "soon"),
    ],
)
def test_restore_confirm_wrong_moment_changes_nothing(
    original: Database, dsn: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    line = Cli(tmp_path)
    line.environ = {"DATABASE_URL": dsn}
    assert line.run("restore", "fence").exit_code == 0

    result = line.run("restore", "confirm", *options)

    assert result.exit_code == 1
    assert settle(original) == home.FENCED


@pytest.fixture
def cluster() -> Iterator[tuple[PostgresServer, Path]]:
    """A server of the test's own, not running, in a directory its user can reach."""
    directory = Path(tempfile.mkdtemp(prefix="hogsend-restore-"))
    directory.chmod(0o755)
    try:
        yield PostgresServer.prepare(directory), directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class _running:
    """The server as a process; the block ends it."""

    def __init__(
        self, binaries: Path, data: Path, port: int, run_as: tuple[int, int] | None
    ) -> None:
        user, group = run_as or (None, None)
        self._process = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-c", "fsync=off"],
            user=user,
            group=group,
            extra_groups=None if group is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(PostgresServer.stop_signal)
        self._process.wait(timeout=30)


def _clone(server: PostgresServer, target: Path) -> None:
    """``pg_basebackup`` as a standby that follows nobody."""
    url = with_database(server.dsn, "postgres")
    done = subprocess.run(
        [
            str(server.programs / "pg_basebackup"),
            f"--dbname={url}",
            f"--pgdata={target}",
            "--checkpoint=fast",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (target / "standby.signal").touch()
    if server.run_as is not None:
        for path in (target, *target.rglob("*")):
            shutil.chown(path, *server.run_as)
