"""What the database can answer instead of rows; SQLSTATE is translated here only."""

from __future__ import annotations

from collections.abc import Mapping

from hogsend.errors import HogsendError


class DatabaseError(HogsendError):
    """A statement failed and changed nothing.

    ``sqlstate`` is PostgreSQL's five-character code (None when no server said anything),
    ``constraint`` the violated constraint's name, ``detail`` the server's own detail line.
    """

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
    """No answer: refused, lost, shutting down, out of connections or pool exhausted.

    ``was_connected`` is True when an established connection broke, ``may_have_run`` when the
    statement was handed over and its outcome is unknown.
    """

    default_code = "database_unavailable"
    was_connected = False
    may_have_run = False


class DiskFull(DatabaseUnavailable):
    """The server has no space left: nothing new can be stored, nothing that was stored is lost."""

    default_code = "database_disk_full"


class UniqueViolation(DatabaseError):
    """A unique constraint or index refused the row."""

    default_code = "unique_violation"


class ForeignKeyViolation(DatabaseError):
    """The referenced row is missing, or a referencing one is left."""

    default_code = "foreign_key_violation"


class CheckViolation(DatabaseError):
    """A CHECK constraint refused the row."""

    default_code = "check_violation"


class NotNullViolation(DatabaseError):
    """A required column got NULL."""

    default_code = "not_null_violation"


class SerializationFailure(DatabaseError):
    """A concurrent transaction won; repeating the whole transaction is safe."""

    default_code = "serialization_failure"


class DeadlockDetected(DatabaseError):
    """Two transactions waited for each other; repeating the whole transaction is safe."""

    default_code = "deadlock_detected"


class StatementTimeout(DatabaseError):
    """The statement was cancelled: it ran into ``statement_timeout`` or an operator ended it."""

    default_code = "statement_timeout"


class LockTimeout(DatabaseError):
    """A lock was not granted within ``lock_timeout`` or at once with NOWAIT."""

    default_code = "lock_timeout"


class UndefinedTable(DatabaseError):
    """A table or schema does not exist: most likely the migrations have not run."""

    default_code = "undefined_table"


class UndefinedColumn(DatabaseError):
    """A column does not exist: most likely a migration has not run."""

    default_code = "undefined_column"


class UndefinedFunction(DatabaseError):
    """A function does not exist for these argument types."""

    default_code = "undefined_function"


class InvalidValue(DatabaseError):
    """A value does not fit its type (class 22, or not encodable): NUL, NaN in JSON, bad date."""

    default_code = "invalid_value"


class AccessDenied(DatabaseError):
    """Wrong password, unknown database, or the role lacks a privilege."""

    default_code = "database_access_denied"


class StatementInvalidated(DatabaseError):
    """A prepared statement no longer fits the schema or is gone; it did not run."""

    default_code = "statement_invalidated"


_EXACT: Mapping[str, type[DatabaseError]] = {
    "23505": UniqueViolation,
    "23P01": UniqueViolation,
    "23503": ForeignKeyViolation,
    "23514": CheckViolation,
    "23502": NotNullViolation,
    "40001": SerializationFailure,
    "40P01": DeadlockDetected,
    "57014": StatementTimeout,
    "55P03": LockTimeout,
    "42P01": UndefinedTable,
    "3F000": UndefinedTable,
    "42703": UndefinedColumn,
    "42883": UndefinedFunction,
    "0A000": StatementInvalidated,
    "26000": StatementInvalidated,
    "57P01": DatabaseUnavailable,
    "57P02": DatabaseUnavailable,
    "57P03": DatabaseUnavailable,
    "57P05": DatabaseUnavailable,
    "25P03": DatabaseUnavailable,
    "53100": DiskFull,
    "53300": DatabaseUnavailable,
    "42501": AccessDenied,
    "3D000": AccessDenied,
}
_BY_CLASS: Mapping[str, type[DatabaseError]] = {
    "08": DatabaseUnavailable,
    "22": InvalidValue,
    "28": AccessDenied,
}
_HINTS: Mapping[type[DatabaseError], str] = {
    UndefinedTable: "run `hogsend migrate`",
    AccessDenied: "check DATABASE_URL and the role's privileges",
    DiskFull: "free space on the database's disk or enlarge it; work goes on by itself then, and "
    "a failed `hogsend migrate` can simply be run again",
}
# The only refusal of class 0A that concerns a prepared statement; messages may be translated.
_STALE_PLAN_ROUTINE = "RevalidateCachedQuery"


def translate(fields: Mapping[str, str]) -> DatabaseError:
    """The error for a server's ErrorResponse, whose fields are keyed by their one-letter code."""
    sqlstate = fields.get("C", "XX000")
    message = fields.get("M", "unknown error")
    family = _EXACT.get(sqlstate) or _BY_CLASS.get(sqlstate[:2], DatabaseError)
    if sqlstate == "0A000" and fields.get("R") != _STALE_PLAN_ROUTINE:
        family = DatabaseError
    context = {
        name: fields[letter]
        for name, letter in (("table", "t"), ("column", "c"), ("where", "W"), ("position", "P"))
        if letter in fields
    }
    return family(
        message,
        sqlstate=sqlstate,
        constraint=fields.get("n"),
        detail=fields.get("D"),
        hint=_HINTS.get(family) or fields.get("H"),
        context=context,
    )


def lost(reason: str, *, may_have_run: bool = False) -> DatabaseUnavailable:
    """The connection ended; ``may_have_run`` says whether the outcome is unknown."""
    error = DatabaseUnavailable(f"lost the connection to PostgreSQL: {reason}")
    error.was_connected = True
    error.may_have_run = may_have_run
    return error
