"""One connection: what is sent, kept on the server, and survived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hogsend.db import DatabaseOptions, Query
from hogsend.db.connection import Connection
from hogsend.db.errors import (
    DatabaseError,
    DatabaseUnavailable,
    InvalidValue,
    StatementInvalidated,
    StatementTimeout,
    UndefinedTable,
    UniqueViolation,
)
from hogsend.db.values import bind

_KEPT = 256


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection]:
    """A connection with prepared statements."""
    opened = Connection(DatabaseOptions(url=dsn))
    try:
        yield opened
    finally:
        opened.close()


def run(connection: Connection, sql: str, **params: object) -> list[tuple[Any, ...]]:
    query = Query.parse("q", sql)
    return connection.execute(query.sql, bind(query, params))


def prepared(connection: Connection) -> list[str]:
    rows = run(connection, "SELECT statement FROM pg_prepared_statements ORDER BY prepare_time")
    return [row[0] for row in rows]


def test_execute_same_statement_is_parsed_once_and_costs_one_round_trip(
    connection: Connection,
) -> None:
    before = connection.round_trips

    answers = [run(connection, "SELECT :a::int", a=i) for i in range(5)]

    assert answers == [[(i,)] for i in range(5)]
    assert connection.round_trips - before == 5
    assert prepared(connection).count("SELECT $1::int") == 1


def test_execute_more_statements_than_kept_closes_the_least_used(connection: Connection) -> None:
    run(connection, "SELECT 'first'")
    run(connection, "SELECT 'often'")
    for i in range(_KEPT - 2):
        run(connection, f"SELECT {i}")
    run(connection, "SELECT 'often'")

    run(connection, "SELECT 'one more'")

    kept = prepared(connection)
    assert len(kept) <= _KEPT
    assert "SELECT 'first'" not in kept
    assert "SELECT 'often'" in kept
    assert run(connection, "SELECT 'first'") == [("first",)]


def test_execute_without_prepare_keeps_nothing_and_stays_one_round_trip(dsn: str) -> None:
    connection = Connection(DatabaseOptions(url=dsn, prepare=False))
    before = connection.round_trips

    answers = [run(connection, "SELECT :a::int", a=i) for i in range(3)]

    assert answers == [[(0,)], [(1,)], [(2,)]]
    assert connection.round_trips - before == 3
    assert prepared(connection) == []
    connection.close()


def test_execute_begin_travels_with_the_first_statement(connection: Connection) -> None:
    before = connection.round_trips

    connection.execute("SELECT 1", [], begin=True)

    assert connection.round_trips - before == 1
    assert connection.is_in_transaction
    connection.script("ROLLBACK")
    assert connection.is_reusable


def test_execute_plan_is_stale_after_ddl_raises_without_running(connection: Connection) -> None:
    connection.script("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    run(connection, "SELECT * FROM t")
    connection.script("ALTER TABLE t ADD COLUMN b text")

    with pytest.raises(StatementInvalidated) as refusal:
        run(connection, "SELECT * FROM t")

    assert refusal.value.sqlstate == "0A000"
    connection.forget("SELECT * FROM t")
    assert run(connection, "SELECT * FROM t") == [(1, None)]
    assert prepared(connection).count("SELECT * FROM t") == 1


def test_execute_statement_lost_by_the_server_raises_and_recovers(connection: Connection) -> None:
    run(connection, "SELECT 41 + 1")
    connection.script("DEALLOCATE ALL")

    with pytest.raises(StatementInvalidated) as refusal:
        run(connection, "SELECT 41 + 1")

    assert refusal.value.sqlstate == "26000"
    connection.forget("SELECT 41 + 1")
    assert run(connection, "SELECT 41 + 1") == [(42,)]


@pytest.mark.parametrize("prepare", [True, False])
def test_execute_value_that_cannot_be_encoded_stays_in_step(dsn: str, prepare: bool) -> None:
    connection = Connection(DatabaseOptions(url=dsn, prepare=prepare))

    with pytest.raises(InvalidValue):
        run(connection, "SELECT :a::text", a="\ud800")

    assert connection.is_reusable
    assert run(connection, "SELECT :a::text", a="after") == [("after",)]
    connection.close()


@pytest.mark.parametrize(
    ("sql", "value"), [("SELECT :a::text", "a\x00b"), ("SELECT :a::jsonb", {"k": "a\x00b"})]
)
def test_execute_nul_is_an_invalid_value_and_stays_in_step(
    connection: Connection, sql: str, value: object
) -> None:
    with pytest.raises(InvalidValue):
        run(connection, sql, a=value)

    assert run(connection, "SELECT 1") == [(1,)]


def test_execute_values_arrive_and_come_back_unchanged(connection: Connection) -> None:
    instant = datetime(2026, 11, 24, 12, 0, 0, 123456, UTC)
    values: dict[str, tuple[str, object]] = {
        "words": ("jsonb", ["null", "Null", "NULL", 'a"b\\', "", None]),
        "object": ("jsonb", {"null": "null", "n": 1.5, "list": [1, {"x": None}]}),
        "text": ("text", "null"),
        "quotes": ("text", 'it\'s \\ "x" š 🦔'),
        "big": ("bigint", 2**63 - 1),
        "exact": ("numeric", Decimal("0.10")),
        "flag": ("boolean", False),
        "instant": ("timestamptz", instant),
        "id": ("uuid", UUID(int=7)),
        "raw": ("bytea", b"\x00\xff"),
        "nothing": ("text", None),
    }
    columns = ", ".join(f"CAST(:{name} AS {kind})" for name, (kind, _) in values.items())

    (row,) = run(connection, f"SELECT {columns}", **{n: v for n, (_, v) in values.items()})

    assert dict(zip(values, row, strict=True)) == {n: v for n, (_, v) in values.items()}


def test_execute_infinite_instants_become_the_ends_of_time(connection: Connection) -> None:
    (row,) = run(connection, "SELECT 'infinity'::timestamptz, '-infinity'::timestamptz")

    assert row == (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))


def test_execute_large_answer_in_many_packets_is_complete(connection: Connection) -> None:
    rows = run(connection, "SELECT i, repeat('x', 1000) FROM generate_series(1, 2000) i")

    assert [row[0] for row in rows] == list(range(1, 2001))
    assert {len(row[1]) for row in rows} == {1000}


def test_execute_unique_violation_keeps_the_constraint(connection: Connection) -> None:
    connection.script("CREATE TABLE t (a int CONSTRAINT t_a_once UNIQUE); INSERT INTO t VALUES (1)")

    with pytest.raises(UniqueViolation) as refusal:
        run(connection, "INSERT INTO t VALUES (:a)", a=1)

    assert refusal.value.constraint == "t_a_once"
    assert connection.is_reusable


def test_execute_statement_runs_too_long_is_cancelled_by_the_server(connection: Connection) -> None:
    connection.script("SET statement_timeout = 50")

    with pytest.raises(StatementTimeout):
        run(connection, "SELECT pg_sleep(10)")

    assert run(connection, "SELECT 1") == [(1,)]


def test_execute_copy_in_is_refused_instead_of_hanging(connection: Connection) -> None:
    connection.script("CREATE TABLE t (a int)")

    with pytest.raises(DatabaseError, match="COPY FROM STDIN is not supported"):
        connection.script("COPY t FROM STDIN")

    assert not connection.is_reusable


def test_script_rows_of_different_shapes_are_dropped(connection: Connection) -> None:
    connection.script("SELECT 'text'; SELECT 1, 2; SELECT 'x'::text, now(), NULL; SELECT 'y'")

    assert run(connection, "SELECT 1") == [(1,)]


def test_script_error_in_the_middle_is_raised_and_stays_in_step(connection: Connection) -> None:
    with pytest.raises(UndefinedTable):
        connection.script("SELECT 1; SELECT * FROM missing; SELECT 2")

    assert run(connection, "SELECT 1") == [(1,)]


def test_session_settings_are_those_of_the_options(dsn: str) -> None:
    connection = Connection(DatabaseOptions(url=dsn, application_name="me"))

    (row,) = run(
        connection,
        "SELECT current_setting('statement_timeout'), current_setting('TimeZone'),"
        " current_setting('application_name'),"
        " current_setting('idle_in_transaction_session_timeout')",
    )

    assert row == ("30s", "UTC", "me", "2min")
    connection.close()


def test_connection_is_closed_by_the_server_says_so_before_use(
    connection: Connection, dsn: str
) -> None:
    (pid,) = run(connection, "SELECT pg_backend_pid()")[0]
    other = Connection(DatabaseOptions(url=dsn))
    assert connection.is_alive()

    run(other, "SELECT pg_terminate_backend(:pid, 5000)", pid=pid)

    assert not connection.is_alive()
    with pytest.raises(DatabaseUnavailable) as failure:
        run(connection, "SELECT 1")
    assert not failure.value.may_have_run
    other.close()
