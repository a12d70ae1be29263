"""Mutual exclusion across processes and machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hogsend.db.errors import DatabaseError
from hogsend.db.options import DatabaseOptions
from hogsend.db.queries import QueryFile
from hogsend.db.session import Session

MIGRATION_KEY = 4812007
"""Shared with the reference's migrator, so that the two never run at once."""

_Q = QueryFile(__package__, "locks.sql")
_ANSWER_TIMEOUT = timedelta(seconds=10)


def try_lock(session: Session, key: int) -> bool:
    """Take a session lock if nobody has it.

    Callers poll instead of blocking: a session blocked inside pg_advisory_lock holds a snapshot,
    for which a CREATE INDEX CONCURRENTLY of the lock's owner would wait for ever.
    """
    return bool(session.run(_Q["try_lock"], key=key)[0][0])


class AdvisoryLock:
    """A session lock on a connection of its own; for one thread at a time.

    PostgreSQL frees it when the connection ends, whatever happens to this process. Needs a direct
    connection: behind a transaction pooler there is no session to hold it.
    """

    def __init__(self, options: DatabaseOptions, key: int) -> None:
        self._options = replace(options, statement_timeout=_ANSWER_TIMEOUT)
        self._key = key
        self._session: Session | None = None

    def try_acquire(self) -> bool:
        """True when the lock is ours, also when it was already; raises DatabaseUnavailable."""
        if self.held():
            return True
        session = Session(self._options)
        try:
            if try_lock(session, self._key):
                self._session = session
                return True
        except BaseException:
            session.close()
            raise
        session.close()
        return False

    def held(self) -> bool:
        """Ask the server; False when the connection, and with it the lock, is gone."""
        if self._session is None:
            return False
        try:
            return bool(self._session.run(_Q["holds_lock"], key=self._key)[0][0])
        except DatabaseError:
            self.release()
            return False

    def release(self) -> None:
        """Give the lock up by closing the connection; idempotent, never raises."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
