"""The pool: bounds, age, life signs, gauges, end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.errors import DatabaseUnavailable
from hogsend.db.pool import Pool
from tests.integration.db.conftest import terminate_others

_PID = Query.parse("pid", "SELECT pg_backend_pid()")


@pytest.fixture
def small(dsn: str) -> Iterator[Database]:
    """Two connections, little patience."""
    opened = Database(
        DatabaseOptions(url=dsn, pool_size=2, acquire_timeout=timedelta(milliseconds=200))
    )
    try:
        yield opened
    finally:
        opened.close()


def test_pool_opens_nothing_until_used(small: Database) -> None:
    assert small.stats().opened_total == 0

    small.run(_PID)

    assert (small.stats().opened_total, small.stats().idle) == (1, 1)


def test_pool_lends_the_connection_returned_last(small: Database) -> None:
    small.warm(2)

    pids = {small.run(_PID)[0][0] for _ in range(10)}

    assert len(pids) == 1


def test_pool_all_lent_says_exhausted_in_time(small: Database) -> None:
    started = time.monotonic()
    pool = Pool(small.options)
    lent = [pool.take(), pool.take()]

    with pytest.raises(DatabaseUnavailable, match=r"within 0\.2 s") as refusal:
        pool.take()

    assert refusal.value.code == "pool_exhausted"
    assert 0.15 < time.monotonic() - started < 5
    stats = pool.stats()
    assert (stats.in_use, stats.idle, stats.waiting, stats.exhausted_total) == (2, 0, 0, 1)
    for connection in lent:
        pool.give_back(connection)
    pool.close()


def test_pool_waiting_thread_gets_what_comes_back(dsn: str) -> None:
    pool = Pool(DatabaseOptions(url=dsn, pool_size=1))
    lent = pool.take()
    got: list[bool] = []
    thread = threading.Thread(target=lambda: got.append(pool.take() is lent))
    thread.start()
    while not pool.stats().waiting:
        time.sleep(0.005)

    pool.give_back(lent)

    thread.join(timeout=5)
    assert got == [True]
    assert pool.stats().waiting == 0
    pool.give_back(lent)
    pool.close()


def test_pool_connection_past_its_lifetime_is_replaced(dsn: str) -> None:
    db = Database(DatabaseOptions(url=dsn, max_lifetime=timedelta(milliseconds=50)))
    first = db.run(_PID)[0][0]
    time.sleep(0.06)

    second = db.run(_PID)[0][0]

    assert first != second
    assert db.stats().opened_total == 2
    db.close()


def test_pool_every_backend_was_ended_nobody_notices(small: Database, admin: Database) -> None:
    small.warm(2)
    assert terminate_others(admin) == 2

    answers = [small.run(Query("q", "SELECT 1")) for _ in range(4)]

    assert answers == [[(1,)]] * 4
    assert small.stats().opened_total == 3


def test_pool_connection_out_of_step_is_not_kept(
    small: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZeroDivisionError), small.transaction() as tx:
        tx.run(_PID)
        monkeypatch.setattr(
            "hogsend.db.connection.Connection._read_answer",
            lambda *_, **__: (_ for _ in ()).throw(RuntimeError("an answer is left unread")),
        )
        with pytest.raises(RuntimeError, match="left unread"):
            tx._connection.script("SELECT 1")
        raise ZeroDivisionError
    monkeypatch.undo()

    assert small.stats().idle == 0
    assert small.run(Query("q", "SELECT 2")) == [(2,)]


def test_pool_fresh_connection_never_exceeds_the_size(dsn: str, admin: Database) -> None:
    pool = Pool(DatabaseOptions(url=dsn, pool_size=2, application_name="counted"))
    for connection in [pool.take(), pool.take()]:
        pool.give_back(connection)

    fresh = pool.take(fresh=True)

    query = Query(
        "count", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counted'"
    )
    deadline = time.monotonic() + 5
    while admin.run(query) != [(2,)] and time.monotonic() < deadline:
        time.sleep(0.01)  # a backend takes a moment to leave
    assert admin.run(query) == [(2,)]
    pool.give_back(fresh)
    pool.close()


def test_pool_closed_refuses_and_closes_what_comes_back(small: Database) -> None:
    with small.transaction() as tx:
        tx.run(_PID)

        small.close()

    assert (small.stats().idle, small.stats().in_use) == (0, 0)
    with pytest.raises(DatabaseUnavailable, match="pool is closed"):
        small.run(_PID)
    small.close()


def test_pool_many_threads_share_few_connections(dsn: str) -> None:
    db = Database(DatabaseOptions(url=dsn, pool_size=3))
    query = Query.parse("echo", "SELECT :i::int")
    wrong: list[object] = []

    def work(number: int) -> None:
        for i in range(50):
            if db.run(query, i=number * 1000 + i) != [(number * 1000 + i,)]:
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    stats = db.stats()
    assert wrong == []
    assert stats.opened_total <= 3
    assert (stats.in_use, stats.waiting) == (0, 0)
    db.close()


def test_pool_counts_round_trips_of_transactions_and_statements(small: Database) -> None:
    small.run(_PID)
    with small.transaction() as tx:
        tx.run(_PID)
        tx.run(_PID)

    assert small.stats().round_trips_total == 4  # the COMMIT is one of its own
