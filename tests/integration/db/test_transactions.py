"""All or nothing, whatever happens inside the block."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.database import Transaction
from hogsend.db.errors import (
    DatabaseError,
    DatabaseUnavailable,
    ForeignKeyViolation,
    StatementInvalidated,
    UniqueViolation,
)
from tests.integration.db.conftest import terminate_others

_INSERT = Query.parse("insert", "INSERT INTO t (a) VALUES (:a)")
_ALL = Query("all", "SELECT a FROM t ORDER BY a")


@pytest.fixture
def db(dsn: str) -> Iterator[Database]:
    """A database with an empty table ``t (a int unique)``."""
    opened = Database(DatabaseOptions(url=dsn, pool_size=3))
    opened.run(Query("create", "CREATE TABLE t (a int UNIQUE)"))
    try:
        yield opened
    finally:
        opened.close()


def rows(db: Database) -> list[int]:
    return [row[0] for row in db.run(_ALL)]


def test_transaction_block_ends_commits_everything(db: Database) -> None:
    with db.transaction() as tx:
        tx.run(_INSERT, a=1)
        tx.run(_INSERT, a=2)
        assert rows(db) == []

    assert rows(db) == [1, 2]


def test_transaction_exception_rolls_back_and_keeps_the_connection(db: Database) -> None:
    opened = db.stats().opened_total

    with pytest.raises(KeyError), db.transaction() as tx:
        tx.run(_INSERT, a=1)
        raise KeyError

    assert rows(db) == []
    assert db.stats().opened_total == opened


def test_transaction_statement_fails_nothing_is_committed(db: Database) -> None:
    with pytest.raises(UniqueViolation), db.transaction() as tx:
        tx.run(_INSERT, a=1)
        tx.run(_INSERT, a=1)

    assert rows(db) == []


def test_transaction_swallowed_failure_is_not_mistaken_for_a_commit(db: Database) -> None:
    with (
        pytest.raises(DatabaseError, match="nothing was committed") as failure,
        db.transaction() as tx,
    ):
        tx.run(_INSERT, a=1)
        with pytest.raises(UniqueViolation):
            tx.run(_INSERT, a=1)

    assert failure.value.code == "transaction_aborted"
    assert rows(db) == []


def test_transaction_constraint_fails_at_commit_raises(db: Database) -> None:
    db.run(Query("child", "CREATE TABLE c (a int REFERENCES t (a) DEFERRABLE INITIALLY DEFERRED)"))

    with pytest.raises(ForeignKeyViolation), db.transaction() as tx:
        tx.run(Query("orphan", "INSERT INTO c VALUES (1)"))

    assert db.run(Query("count", "SELECT count(*) FROM c")) == [(0,)]


def test_transaction_connection_is_lost_in_the_middle_nothing_is_kept(
    db: Database, admin: Database
) -> None:
    with pytest.raises(DatabaseUnavailable), db.transaction() as tx:
        tx.run(_INSERT, a=1)
        terminate_others(admin)
        tx.run(_INSERT, a=2)

    assert rows(db) == []


def test_transaction_connection_is_lost_and_error_swallowed_block_still_fails(
    db: Database, admin: Database
) -> None:
    with pytest.raises(DatabaseUnavailable), db.transaction() as tx:
        tx.run(_INSERT, a=1)
        terminate_others(admin)
        with pytest.raises(DatabaseUnavailable):
            tx.run(_INSERT, a=2)

    assert rows(db) == []


def test_transaction_connection_is_lost_before_commit_commit_raises(
    db: Database, admin: Database
) -> None:
    with pytest.raises(DatabaseUnavailable), db.transaction() as tx:
        tx.run(_INSERT, a=1)
        terminate_others(admin)

    assert rows(db) == []


def test_transaction_inside_another_is_refused(db: Database) -> None:
    with db.transaction() as outer:
        outer.run(_INSERT, a=1)
        with pytest.raises(RuntimeError, match="in a transaction"), db.transaction():
            pass

    assert rows(db) == [1]
    with db.transaction() as again:
        again.run(_INSERT, a=2)
    assert rows(db) == [1, 2]


def test_transaction_of_another_thread_is_no_nesting(db: Database) -> None:
    def insert() -> None:
        with db.transaction() as inner:
            inner.run(_INSERT, a=2)

    with db.transaction() as outer:
        outer.run(_INSERT, a=1)
        thread = threading.Thread(target=insert)
        thread.start()
        thread.join(timeout=10)

    assert rows(db) == [1, 2]


@pytest.mark.parametrize("has_run", [True, False])
def test_transaction_used_after_its_block_is_refused(db: Database, has_run: bool) -> None:
    kept: list[Transaction] = []
    with db.transaction() as tx:
        kept.append(tx)
        if has_run:
            tx.run(_INSERT, a=1)

    with pytest.raises(RuntimeError, match="the transaction is over"):
        kept[0].run(_INSERT, a=2)

    assert 2 not in rows(db)


def test_transaction_without_statements_sends_nothing(db: Database) -> None:
    with db.transaction():
        pass

    assert db.stats().in_use == 0


def test_transaction_stale_plan_is_raised_then_works(db: Database) -> None:
    everything = Query("everything", "SELECT * FROM t")
    db.run(everything)
    db.run(Query("alter", "ALTER TABLE t ADD COLUMN b int"))

    with pytest.raises(StatementInvalidated), db.transaction() as tx:
        tx.run(everything)

    with db.transaction() as tx:
        assert tx.run(everything) == []


def test_run_stale_plan_on_every_connection_is_renewed_unnoticed(db: Database) -> None:
    everything = Query("everything", "SELECT * FROM t")
    lent = [db._pool.take() for _ in range(3)]
    for connection in lent:
        connection.execute(everything.sql, [])
        db._pool.give_back(connection)
    db.run(Query("alter", "ALTER TABLE t ADD COLUMN b int"))

    barrier = threading.Barrier(3)
    failures: list[BaseException] = []

    def ask() -> None:
        barrier.wait()
        try:
            for _ in range(20):
                db.run(everything)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert failures == []
