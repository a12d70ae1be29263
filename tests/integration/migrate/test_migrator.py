"""One track: what is applied, refused, noted, and left after a failure."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.migration_files import BREAKPOINT, make_migration
from hogsend.db.migrator import MigrationError, Migrator, Patience, connect_exclusively
from tests.integration.migrate.conftest import files, ledger, tables
from tests.waiting import wait_until

_CONCURRENT = f"""-- no-transaction
CREATE TABLE c (a int);
{BREAKPOINT}
CREATE INDEX CONCURRENTLY c_a_idx ON c (a);
"""


def test_apply_fresh_database_runs_files_in_order(
    migrator: Migrator, looking: Database, said: list[str]
) -> None:
    track = files("CREATE TABLE a (x int)", "INSERT INTO a VALUES (1); CREATE TABLE b (x int);")

    names = migrator.apply("engine", track)

    assert names == ["0001_step", "0002_step"]
    assert tables(looking) == {"a", "b"}
    assert ledger(looking, "engine") == [("0001_step", True), ("0002_step", True)]
    assert said[0] == "[engine] Applying 2 migration(s): 0001_step, 0002_step"
    assert said[-1] == "[engine] Migrations complete (now at 0002_step)"


def test_apply_again_does_nothing_and_says_so(migrator: Migrator, said: list[str]) -> None:
    track = files("CREATE TABLE a (x int)")
    migrator.apply("engine", track)
    said.clear()

    names = migrator.apply("engine", track)

    assert names == []
    assert said == ["[engine] Schema already up to date (0001_step)"]


def test_apply_tracks_do_not_see_each_other(migrator: Migrator, looking: Database) -> None:
    migrator.apply("engine", files("CREATE TABLE a (x int)"))

    migrator.apply("client", files("CREATE TABLE b (x int)"))

    assert ledger(looking, "engine") == ledger(looking, "client") == [("0001_step", True)]


def test_apply_file_fails_keeps_earlier_files_and_nothing_of_this_one(
    migrator: Migrator, looking: Database
) -> None:
    track = files("CREATE TABLE a (x int)", "CREATE TABLE b (x int);\nALTER TABEL a ADD y int;")

    with pytest.raises(MigrationError, match=r"0002_step\.sql line 2: syntax error") as failure:
        migrator.apply("engine", track)

    assert failure.value.context["track"] == "engine"
    assert tables(looking) == {"a"}
    assert ledger(looking, "engine") == [("0001_step", True)]
    repaired = (track[0], make_migration(2, "0002_step", "CREATE TABLE b (x int)"))
    assert migrator.apply("engine", repaired) == ["0002_step"]


def test_apply_object_is_there_already_points_to_stamp(
    migrator: Migrator, looking: Database
) -> None:
    looking.run(Query("a", "CREATE TABLE a (x int)"))

    with pytest.raises(MigrationError, match="already exists") as failure:
        migrator.apply("engine", files("CREATE TABLE a (x int)"))

    assert "--stamp" in str(failure.value.hint)


def test_apply_role_named_like_our_schema_creates_tables_in_public(
    migrator: Migrator, looking: Database
) -> None:
    looking.run(Query("s", "CREATE SCHEMA IF NOT EXISTS AUTHORIZATION CURRENT_USER"))

    migrator.apply("engine", files("CREATE TABLE a (x int)"))

    assert looking.run(Query("r", "SELECT to_regclass('public.a') IS NOT NULL")) == [(True,)]


def test_apply_rows_selected_on_the_way_are_harmless(migrator: Migrator) -> None:
    assert migrator.apply("engine", files("SELECT 'a'; SELECT 1, 2; SELECT now()")) == ["0001_step"]


def test_apply_no_transaction_file_builds_an_index_concurrently(
    migrator: Migrator, looking: Database
) -> None:
    migrator.apply("engine", files(_CONCURRENT))

    assert looking.run(Query("index", "SELECT to_regclass('c_a_idx') IS NOT NULL")) == [(True,)]


def test_apply_no_transaction_file_stopped_half_way_resumes_after_the_last_step(
    migrator: Migrator, looking: Database
) -> None:
    text = (
        f"-- no-transaction\nCREATE TABLE c (a int);\n{BREAKPOINT}\n"
        "SELECT 1 / (SELECT count(*) FROM ready);"
    )
    looking.run(Query("ready", "CREATE TABLE ready (a int)"))
    with pytest.raises(MigrationError, match="division by zero"):
        migrator.apply("engine", files(text))
    assert ledger(looking, "engine") == [("0001_step", False)]
    looking.run(Query("ready", "INSERT INTO ready VALUES (1)"))

    names = migrator.apply("engine", files(text))

    assert names == ["0001_step"]
    assert ledger(looking, "engine") == [("0001_step", True)]


def test_apply_broken_concurrent_index_is_dropped_and_built_again(
    migrator: Migrator, looking: Database
) -> None:
    looking.run(Query("t", "CREATE TABLE t (a int)"))
    looking.run(Query("i", "INSERT INTO t VALUES (1), (1)"))
    track = files("-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY t_a_idx ON t (a);")
    with pytest.raises(MigrationError, match="could not create unique index"):
        migrator.apply("engine", track)
    looking.run(Query("d", "DELETE FROM t"))

    migrator.apply("engine", track)

    valid = Query("v", "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a_idx'::regclass")
    assert looking.run(valid) == [(True,)]


def test_apply_applied_file_was_edited_is_refused_by_name(
    migrator: Migrator, looking: Database
) -> None:
    track = files("CREATE TABLE a (x int)")
    migrator.apply("engine", track)
    edited = (*files("CREATE TABLE a (x int, y int)"), *files("", "CREATE TABLE b (x int)")[1:])

    with pytest.raises(
        MigrationError, match="0001_step was edited after it was applied"
    ) as refusal:
        migrator.apply("engine", edited)

    assert refusal.value.code == "migration_drift"
    assert tables(looking) == {"a"}


def test_apply_file_older_than_the_newest_applied_is_refused(migrator: Migrator) -> None:
    first, second, third = files("SELECT 1", "SELECT 2", "SELECT 3")
    migrator.apply("engine", (first, third))

    with pytest.raises(MigrationError, match="0002_step is older than 0003"):
        migrator.apply("engine", (first, second, third))


def test_apply_applied_file_is_missing_is_refused(migrator: Migrator) -> None:
    first, second, third = files("SELECT 1", "SELECT 2", "SELECT 3")
    migrator.apply("engine", (first, second))

    with pytest.raises(MigrationError, match="0002_step was applied, but this build"):
        migrator.apply("engine", (first, third))


def test_apply_database_is_ahead_of_the_build_is_in_sync(migrator: Migrator) -> None:
    first, second = files("SELECT 1", "SELECT 2")
    migrator.apply("engine", (first, second))

    plan = migrator.plan("engine", (first,))

    assert plan.is_in_sync
    assert plan.ahead == ("0002_step",)
    assert migrator.apply("engine", (first,)) == []


def test_apply_file_that_ends_its_transaction_is_told(migrator: Migrator) -> None:
    with pytest.raises(MigrationError, match="must not end its own transaction"):
        migrator.apply("engine", files("CREATE TABLE a (x int); COMMIT;"))


def test_apply_ledger_of_another_tool_is_refused(migrator: Migrator, looking: Database) -> None:
    for sql in (
        "CREATE SCHEMA drizzle",
        "CREATE TABLE drizzle.__drizzle_migrations (id serial, hash text, created_at bigint)",
        "INSERT INTO drizzle.__drizzle_migrations (hash) VALUES ('x')",
    ):
        looking.run(Query("q", sql))

    with pytest.raises(MigrationError, match="another migration tool") as refusal:
        migrator.apply("engine", files("CREATE TABLE a (x int)"))

    assert refusal.value.code == "migration_foreign_ledger"
    assert tables(looking) == set()


def test_stamp_notes_files_up_to_the_number_without_running_them(
    migrator: Migrator, looking: Database
) -> None:
    track = files("CREATE TABLE a (x int)", "CREATE TABLE b (x int)", "CREATE TABLE c (x int)")

    stamped = migrator.stamp("engine", track, 2)

    assert stamped == ["0001_step", "0002_step"]
    assert tables(looking) == set()
    assert migrator.apply("engine", track) == ["0003_step"]


def test_stamp_number_that_does_not_exist_is_refused(migrator: Migrator) -> None:
    with pytest.raises(MigrationError, match="there is no engine migration 0009") as refusal:
        migrator.stamp("engine", files("SELECT 1"), 9)

    assert refusal.value.code == "migration_unknown_version"


def test_apply_table_is_locked_by_somebody_is_tried_again(
    migrator: Migrator, looking: Database, said: list[str]
) -> None:
    looking.run(Query("t", "CREATE TABLE t (a int)"))
    migrator._session.script("SET lock_timeout = '300ms'")
    held = threading.Event()
    release = threading.Event()

    def hold() -> None:
        with looking.transaction() as tx:
            tx.run(Query("lock", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE"))
            held.set()
            release.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)

    def let_go() -> None:
        wait_until(lambda: any("trying again" in line for line in said))
        release.set()

    waiter = threading.Thread(target=let_go)
    waiter.start()

    names = migrator.apply("engine", files("ALTER TABLE t ADD COLUMN b int"))

    assert names == ["0001_step"]
    holder.join(timeout=10)
    waiter.join(timeout=10)


def test_connect_exclusively_another_one_runs_waits_longer_than_any_lock_timeout(
    empty_dsn: str, said: list[str]
) -> None:
    options = DatabaseOptions(url=empty_dsn, statement_timeout=None)
    patience = Patience(database=timedelta(seconds=5), lock=timedelta(seconds=20))
    entered = threading.Event()
    order: list[str] = []

    def second() -> None:
        with connect_exclusively(options, patience=patience, say=said.append):
            order.append("second")

    with connect_exclusively(options, patience=patience, say=said.append):
        entered.set()
        thread = threading.Thread(target=second)
        thread.start()
        wait_until(lambda: any("Another migration is running" in s for s in said))
        order.append("first")
    thread.join(timeout=20)

    assert order == ["first", "second"]


def test_connect_exclusively_gives_up_after_the_wait(empty_dsn: str, said: list[str]) -> None:
    options = DatabaseOptions(url=empty_dsn, statement_timeout=None)
    patience = Patience(database=timedelta(seconds=5), lock=timedelta(seconds=0.2))

    with (
        connect_exclusively(options, patience=patience, say=said.append),
        pytest.raises(MigrationError, match="another migration has been running") as refusal,
        connect_exclusively(options, patience=patience, say=said.append),
    ):
        pass

    assert refusal.value.code == "migration_lock_busy"


def test_connect_exclusively_limits_are_set_after_the_lock(empty_dsn: str) -> None:
    options = replace(DatabaseOptions(url=empty_dsn), statement_timeout=None)

    with connect_exclusively(options, patience=Patience(), say=lambda _: None) as migrator:
        rows = migrator._session.run(
            Query(
                "limits",
                "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),"
                " current_setting('client_connection_check_interval')",
            )
        )

    assert rows == [("10s", "15min", "1s")]
