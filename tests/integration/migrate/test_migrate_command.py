"""``python -m hogsend migrate`` as a process: exit codes, both tracks, kill -9, waiting."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.migration_files import load_engine_track
from hogsend.db.options import parse_url
from tests.fakes.tcp_proxy import TcpProxy
from tests.integration.migrate.conftest import (
    ClientFolder,
    ledger,
    run_migrate,
    start_migrate,
    tables,
)
from tests.waiting import wait_until

_SLEEPING = Query(
    "sleeping",
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'hogsend-migrate' AND query LIKE '%pg_sleep%'",
)


def wait_for(looking: Database, query: Query, expected: object, seconds: float = 60) -> None:
    wait_until(
        lambda: looking.run(query)[0][0] == expected,
        seconds=seconds,
        what=f"{query.name} is {expected}",
    )


def test_migrate_fresh_database_applies_both_tracks_then_nothing(
    empty_dsn: str, looking: Database, client: ClientFolder
) -> None:
    client.add("0000_own", "CREATE TABLE own (a int);\n--> statement-breakpoint\nSELECT 1;")
    engine = [migration.name for migration in load_engine_track()]

    code, out, err = run_migrate(empty_dsn, folder=client.path)
    again = run_migrate(empty_dsn, folder=client.path)

    assert (code, err) == (0, "")
    assert re.search(rf"\[engine\] Applying {len(engine)} migration", out)
    assert "[engine] Migrations complete" in out
    assert "[client] Applying 1 migration(s): 0000_own" in out
    assert again[0] == 0
    assert "[engine] Schema already up to date" in again[1]
    assert "[client] Schema already up to date" in again[1]
    assert ledger(looking, "engine") == [(name, True) for name in engine]
    assert {"own", "outbox", "contacts"} <= tables(looking)


def test_migrate_json_is_one_object(empty_dsn: str) -> None:
    code, out, _ = run_migrate(empty_dsn, "--json")

    answer = json.loads(out)
    assert code == 0
    assert answer["ok"] is True
    assert answer["applied"]["engine"] == [m.name for m in load_engine_track()]
    assert answer["applied"]["client"] == []


def test_migrate_client_track_fails_engine_stays_and_exit_is_one(
    empty_dsn: str, looking: Database, client: ClientFolder
) -> None:
    client.add("0000_bad", "CREATE TABLE own (a int); SELECT * FROM nowhere;")

    code, _, err = run_migrate(empty_dsn, folder=client.path)

    assert code == 1
    assert err.startswith("Client migration failed: 0000_bad.sql")
    assert "nowhere" in err
    assert "own" not in tables(looking)
    assert "outbox" in tables(looking)


def test_migrate_client_journal_is_broken_says_client(empty_dsn: str, client: ClientFolder) -> None:
    (client.path / "meta" / "_journal.json").write_text("{")

    code, _, err = run_migrate(empty_dsn, folder=client.path)

    assert code == 1
    assert "_journal.json is not a migration journal" in err


def test_migrate_status_pending_is_one_and_in_sync_is_zero(empty_dsn: str) -> None:
    before = run_migrate(empty_dsn, "--status", "--json")
    run_migrate(empty_dsn)
    after = run_migrate(empty_dsn, "--status", "--json")

    assert (before[0], after[0]) == (1, 0)
    assert json.loads(before[1])["engine"]["pending"] == [m.name for m in load_engine_track()]
    status = json.loads(after[1])
    assert status["ok"] is True
    assert status["engine"]["pending"] == []
    assert status["client"]["inSync"] is True


def test_migrate_dry_run_shows_sql_and_changes_nothing(empty_dsn: str, looking: Database) -> None:
    code, out, _ = run_migrate(empty_dsn, "--dry-run")

    assert code == 0
    assert "-- engine 0001_create_outbox" in out
    assert "CREATE TABLE outbox" in out
    assert tables(looking) == set()
    assert looking.run(Query("l", "SELECT to_regclass('hogsend.migrations') IS NULL")) == [(True,)]


def test_migrate_stamp_needs_yes_and_then_notes_without_running(
    empty_dsn: str, looking: Database
) -> None:
    refused = run_migrate(empty_dsn, "--stamp", "1")
    code, out, _ = run_migrate(empty_dsn, "--stamp", "1", "--yes")

    assert refused[0] == 2
    assert "--yes" in refused[2]
    assert code == 0
    assert "[engine] Noted as applied: 0001_create_outbox" in out
    assert ledger(looking, "engine") == [("0001_create_outbox", True)]
    assert tables(looking) == set()


def test_migrate_database_does_not_exist_fails_at_once(dsn: str) -> None:
    started = time.monotonic()

    code, _, err = run_migrate(dsn.replace("/hogsend_test_", "/hogsend_none_"))

    assert code == 1
    assert err.startswith("Migration failed:")
    assert "does not exist" in err
    assert time.monotonic() - started < 20


def test_migrate_database_url_is_missing_is_a_config_error() -> None:
    code, _, err = run_migrate("")

    assert code == 1
    assert "DATABASE_URL" in err


def test_migrate_database_is_not_there_yet_waits_for_it(empty_dsn: str, looking: Database) -> None:
    address = parse_url(empty_dsn)
    proxy = TcpProxy(f"{address.host}:{address.port}")
    proxy.cut()
    url = f"postgresql://{address.user}:{address.password}@{proxy.address}/{address.database}"
    process = start_migrate(url, HOGSEND_DATABASE_WAIT_SECONDS="60")
    wait_until(lambda: bool(proxy.accepted), seconds=30)

    proxy.mend()

    out, err = process.communicate(timeout=60)
    proxy.close()
    assert process.returncode == 0, err
    assert "Waiting for the database" in out
    assert "outbox" in tables(looking)


def test_migrate_database_never_comes_gives_up_after_the_wait(empty_dsn: str) -> None:
    address = parse_url(empty_dsn)
    proxy = TcpProxy(f"{address.host}:{address.port}")
    proxy.cut()
    url = f"postgresql://{address.user}:{address.password}@{proxy.address}/{address.database}"

    code, _, err = run_migrate(url, HOGSEND_DATABASE_WAIT_SECONDS="1")

    proxy.close()
    assert code == 1
    assert err.startswith("Migration failed:")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_migrate_killed_in_the_middle_second_run_succeeds(
    empty_dsn: str, looking: Database, client: ClientFolder, sent: signal.Signals
) -> None:
    client.add("0000_first", "CREATE TABLE first (a int);")
    client.add("0001_slow", "CREATE TABLE slow (a int); SELECT pg_sleep(600);")
    process = start_migrate(empty_dsn, folder=client.path)
    wait_for(looking, _SLEEPING, 1)

    process.send_signal(sent)

    process.communicate(timeout=10)
    (client.path / "0001_slow.sql").write_text("CREATE TABLE slow (a int);")
    code, out, err = run_migrate(empty_dsn, folder=client.path)
    assert (code, err) == (0, "")
    assert "[client] Applying 1 migration(s): 0001_slow" in out
    assert {"first", "slow"} <= tables(looking)
    assert ledger(looking, "client") == [("0000_first", True), ("0001_slow", True)]


def test_migrate_two_at_once_apply_each_file_once(
    empty_dsn: str, looking: Database, client: ClientFolder
) -> None:
    client.add("0000_once", "CREATE TABLE once (a int); SELECT pg_sleep(0.5);")
    client.add("0001_row", "INSERT INTO once VALUES (1);")

    processes = [start_migrate(empty_dsn, folder=client.path) for _ in range(2)]
    outs = [process.communicate(timeout=120) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], outs
    assert looking.run(Query("once", "SELECT count(*) FROM once")) == [(1,)]
    assert sum("[client] Applying 2 migration(s)" in out for out, _ in outs) == 1
    assert sum("[client] Schema already up to date" in out for out, _ in outs) == 1


def test_migrate_help_and_wrong_arguments(empty_dsn: str) -> None:
    helped = run_migrate(empty_dsn, "--help")
    wrong = run_migrate(empty_dsn, "--backwards")

    assert (helped[0], wrong[0]) == (0, 2)
    assert "--dry-run" in helped[1]


def test_migrate_imports_neither_the_engine_sdk_nor_the_web(empty_dsn: str, tmp_path: Path) -> None:
    code, _, err = run_migrate(empty_dsn, "--status", PYTHONPROFILEIMPORTTIME="1")

    assert code == 1
    imported = {line.rpartition("|")[2].strip() for line in err.splitlines()}
    assert "hogsend.db.migrator" in imported
    assert not imported & {"hatchet_sdk", "grpc", "falcon", "waitress", "redis", "jinja2"}


def test_database_options_of_the_command_have_no_statement_timeout(
    empty_dsn: str, client: ClientFolder
) -> None:
    client.add(
        "0000_look",
        "DO $$ BEGIN IF current_setting('statement_timeout') <> '15min' THEN"
        " RAISE 'limit is %', current_setting('statement_timeout'); END IF; END $$;",
    )

    assert run_migrate(empty_dsn, folder=client.path)[0] == 0
    assert DatabaseOptions(url=empty_dsn).statement_timeout is not None
