"""What PostgreSQL and the way to it can answer, by SQLSTATE.

Translation from the driver happens here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping

from hogsend.errors import HogsendError


class DatabaseError(HogsendError):
    """PostgreSQL refused a statement; ``sqlstate`` and ``constraint`` are the server's."""

    default_code = "database_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        context: Mapping[str, object] | None = None,
        sqlstate: str | None = None,
        constraint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, context=context)
        self.sqlstate = sqlstate
        self.constraint = constraint
        self.detail = detail


class DatabaseUnavailable(DatabaseError):
    """No connection, or it broke: the statement may or may not have run."""

    default_code = "database_unavailable"


class UniqueViolation(DatabaseError):
    """A row with this key exists; ``constraint`` names the index."""

    default_code = "unique_violation"


class ForeignKeyViolation(DatabaseError):
    """The row referred to does not exist, or is still referred to."""

    default_code = "foreign_key_violation"


class CheckViolation(DatabaseError):
    """A value breaks a CHECK or NOT NULL rule."""

    default_code = "check_violation"


class SerializationFailure(DatabaseError):
    """Lost a race with another transaction; repeat the transaction."""

    default_code = "serialization_failure"


class DeadlockDetected(DatabaseError):
    """Two transactions waited for each other; repeat the transaction."""

    default_code = "deadlock_detected"


class StatementTimeout(DatabaseError):
    """The statement ran longer than ``statement_timeout`` and was ended by the server."""

    default_code = "statement_timeout"


class LockTimeout(DatabaseError):
    """A lock was not to be had in time."""

    default_code = "lock_timeout"


class UndefinedTable(DatabaseError):
    """The table or schema does not exist: migrations have not run."""

    default_code = "undefined_table"


class UndefinedFunction(DatabaseError):
    """The function does not exist: migrations have not run."""

    default_code = "undefined_function"


class InvalidValue(DatabaseError):
    """A value PostgreSQL cannot store (NUL in text, number out of range)."""

    default_code = "invalid_value"


class StalePlan(DatabaseError):
    """A prepared statement no longer fits the schema; it is prepared again once."""

    default_code = "stale_plan"


_BY_STATE: Mapping[str, type[DatabaseError]] = {
    "23505": UniqueViolation,
    "23503": ForeignKeyViolation,
    "23514": CheckViolation,
    "23502": CheckViolation,
    "40001": SerializationFailure,
    "40P01": DeadlockDetected,
    "57014": StatementTimeout,
    "55P03": LockTimeout,
    "42P01": UndefinedTable,
    "3F000": UndefinedTable,
    "42883": UndefinedFunction,
    "0A000": StalePlan,
    "26000": StalePlan,
    "57P01": DatabaseUnavailable,
    "57P02": DatabaseUnavailable,
    "57P03": DatabaseUnavailable,
    "57P05": DatabaseUnavailable,
    "53300": DatabaseUnavailable,
}
_BY_CLASS: Mapping[str, type[DatabaseError]] = {
    "08": DatabaseUnavailable,
    "22": InvalidValue,
}


def from_server(fields: Mapping[str, str]) -> DatabaseError:
    """Translate the fields of an ErrorResponse (protocol letters to texts)."""
    state = fields.get("C", "")
    family = _BY_STATE.get(state) or _BY_CLASS.get(state[:2], DatabaseError)
    return family(
        fields.get("M", "PostgreSQL answered with an error"),
        hint=fields.get("H"),
        sqlstate=state or None,
        constraint=fields.get("n"),
        detail=fields.get("D"),
    )
