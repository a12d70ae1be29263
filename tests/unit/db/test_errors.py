"""SQLSTATE to error class."""

from __future__ import annotations

import pytest

from hogsend.db import errors
from hogsend.db.errors import translate


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("23505", errors.UniqueViolation),
        ("23P01", errors.UniqueViolation),
        ("23503", errors.ForeignKeyViolation),
        ("23514", errors.CheckViolation),
        ("23502", errors.NotNullViolation),
        ("40001", errors.SerializationFailure),
        ("40P01", errors.DeadlockDetected),
        ("57014", errors.StatementTimeout),
        ("55P03", errors.LockTimeout),
        ("42P01", errors.UndefinedTable),
        ("3F000", errors.UndefinedTable),
        ("42703", errors.UndefinedColumn),
        ("42883", errors.UndefinedFunction),
        ("26000", errors.StatementInvalidated),
        ("57P01", errors.DatabaseUnavailable),
        ("57P03", errors.DatabaseUnavailable),
        ("25P03", errors.DatabaseUnavailable),
        ("53100", errors.DiskFull),
        ("53300", errors.DatabaseUnavailable),
        ("08006", errors.DatabaseUnavailable),
        ("22021", errors.InvalidValue),
        ("22P02", errors.InvalidValue),
        ("28P01", errors.AccessDenied),
        ("3D000", errors.AccessDenied),
        ("42601", errors.DatabaseError),
    ],
)
def test_translate_picks_the_family_of_the_sqlstate(
    sqlstate: str, expected: type[errors.DatabaseError]
) -> None:
    error = translate({"C": sqlstate, "M": "no"})

    assert type(error) is expected
    assert error.sqlstate == sqlstate
    assert error.code == expected.default_code


def test_translate_keeps_constraint_detail_and_place() -> None:
    error = translate(
        {"C": "23505", "M": "dup", "n": "a_key", "D": "Key (x)=(1)", "t": "a", "P": "7"}
    )

    assert error.constraint == "a_key"
    assert error.detail == "Key (x)=(1)"
    assert error.context == {"table": "a", "position": "7"}


@pytest.mark.parametrize(
    ("routine", "expected"),
    [
        ("RevalidateCachedQuery", errors.StatementInvalidated),
        ("transformCreateStmt", errors.DatabaseError),
    ],
)
def test_translate_0a000_means_a_stale_plan_only_from_that_routine(
    routine: str, expected: type[errors.DatabaseError]
) -> None:
    error = translate({"C": "0A000", "M": "no", "R": routine})

    assert type(error) is expected


def test_translate_undefined_table_says_what_to_run() -> None:
    assert translate({"C": "42P01", "M": "no"}).hint == "run `hogsend migrate`"
