"""Applies migrations: one runner at a time, one transaction per file, precise refusals."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from hogsend.db import migration_ledger as ledger
from hogsend.db.errors import DatabaseError, DatabaseUnavailable, InvalidValue, LockTimeout
from hogsend.db.locks import MIGRATION_KEY, try_lock
from hogsend.db.migration_files import Migration, Track, load_client_track, load_engine_track
from hogsend.db.migration_ledger import Plan
from hogsend.db.options import DatabaseOptions
from hogsend.db.session import Session
from hogsend.errors import HogsendError

Say: TypeAlias = Callable[[str], None]

_POLL_SECONDS = 0.5
_TELL_SECONDS = 5.0
_ATTEMPTS = 3
_LIMITS = "SET lock_timeout = '10s'; SET statement_timeout = '15min'"
_CONCURRENT_INDEX = re.compile(
    r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.\"]+)\s+ON\b",
    re.IGNORECASE,
)


class MigrationError(HogsendError):
    """Migrations cannot be applied; ``context["track"]`` says whose, nothing of the file is left.

    Codes: ``migration_failed``, ``migration_drift``, ``migration_foreign_ledger``,
    ``migration_lock_busy``, ``migration_unknown_version``.
    """

    default_code = "migration_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a starting PostgreSQL and for another migration that runs."""

    database: timedelta = timedelta(seconds=30)
    lock: timedelta = timedelta(minutes=10)


class Migrator:
    """Works on one session; ``say`` takes progress lines for people."""

    def __init__(self, session: Session, *, say: Say) -> None:
        self._session = session
        self._say = say

    def plan(self, track: Track, files: Sequence[Migration]) -> Plan:
        """Compare files and ledger; changes nothing."""
        return ledger.make_plan(track, files, ledger.read_entries(self._session)[track])

    def apply(self, track: Track, files: Sequence[Migration]) -> list[str]:
        """Apply what is pending and return the names; raises MigrationError."""
        self._session.script(ledger.CREATE_LEDGER)
        plan = self.plan(track, files)
        refuse_drift(plan)
        if not plan.pending:
            self._say(f"[{track}] Schema already up to date ({plan.applied or 'no migrations'})")
            return []
        self._refuse_foreign(plan)
        names = [migration.name for migration in plan.pending]
        self._say(f"[{track}] Applying {len(names)} migration(s): {', '.join(names)}")
        for migration in plan.pending:
            self._apply_one(track, migration, plan.resume_at)
            plan = self.plan(track, files)
        self._say(f"[{track}] Migrations complete (now at {names[-1]})")
        return names

    def stamp(self, track: Track, files: Sequence[Migration], version: int) -> list[str]:
        """Note everything up to ``version`` as applied without running it; returns the names."""
        if version not in {file.version for file in files}:
            raise MigrationError(
                f"there is no {track} migration {version:04d}",
                code="migration_unknown_version",
                context={"track": track},
            )
        self._session.script(ledger.CREATE_LEDGER)
        stamped = [file for file in files if file.version <= version]
        self._session.script("BEGIN")
        for file in stamped:
            ledger.record(self._session, track, file, duration_ms=0)
        self._session.script("COMMIT")
        return [file.name for file in stamped]

    def _refuse_foreign(self, plan: Plan) -> None:
        if plan.applied is None and ledger.find_foreign_ledger(self._session, plan.track):
            raise MigrationError(
                f"this database carries the {plan.track} migrations of another migration tool",
                code="migration_foreign_ledger",
                hint="use an empty database, or note what is there with --stamp",
                context={"track": plan.track},
            )

    def _apply_one(self, track: Track, migration: Migration, resume_at: int) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if migration.is_transactional:
                    self._run_in_transaction(track, migration)
                else:
                    self._run_steps(track, migration, resume_at)
            except LockTimeout as error:
                if attempt == _ATTEMPTS or not migration.is_transactional:
                    raise _failure(track, migration, error) from error
                self._say(f"[{track}] {migration.name}: a table is in use, trying again")
            except DatabaseError as error:
                raise _failure(track, migration, error) from error
            else:
                return

    def _run_in_transaction(self, track: Track, migration: Migration) -> None:
        started = time.monotonic()
        try:
            self._session.script("BEGIN")
            self._session.script(migration.statements[0])
            if not self._session.is_in_transaction:
                raise DatabaseError("a migration must not end its own transaction")
            ledger.record(self._session, track, migration, duration_ms=_ms_since(started))
            self._session.script("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _run_steps(self, track: Track, migration: Migration, resume_at: int) -> None:
        started = time.monotonic()
        for step, statement in enumerate(migration.statements[resume_at:], start=resume_at + 1):
            self._drop_broken_index(statement)
            self._session.script(statement)
            ledger.record_step(self._session, track, migration, step)
        ledger.record(self._session, track, migration, duration_ms=_ms_since(started))

    def _drop_broken_index(self, statement: str) -> None:
        match = _CONCURRENT_INDEX.search(statement)
        if match and ledger.find_invalid_index(self._session, match.group(1)):
            self._say(f"dropping index {match.group(1)}, whose earlier build failed")
            self._session.script(f"DROP INDEX CONCURRENTLY {match.group(1)}")

    def _roll_back(self) -> None:
        try:
            if self._session.is_in_transaction:
                self._session.script("ROLLBACK")
        except DatabaseError:
            return  # the connection is gone, and the transaction with it


@contextmanager
def connect(options: DatabaseOptions, *, patience: Patience, say: Say) -> Iterator[Session]:
    """A session for looking; waits for a PostgreSQL that is still starting."""
    deadline = time.monotonic() + patience.database.total_seconds()
    told_at = float("-inf")
    while True:
        try:
            session = Session(options)
            break
        except DatabaseUnavailable as error:
            now = time.monotonic()
            if now >= deadline:
                raise
            if now - told_at >= _TELL_SECONDS:
                say(f"Waiting for the database: {error.message}")
                told_at = now
            time.sleep(_POLL_SECONDS)
    with session:
        yield session


@contextmanager
def connect_exclusively(
    options: DatabaseOptions, *, patience: Patience, say: Say
) -> Iterator[Migrator]:
    """A migrator that no other one runs beside; raises MigrationError when it takes too long."""
    with connect(options, patience=patience, say=say) as session:
        _wait_for_lock(session, patience.lock, say)
        # Only now: a lock_timeout would also end the wait for the lock itself.
        session.script(_LIMITS)
        _notice_our_death(session)
        yield Migrator(session, say=say)


def migrate(
    options: DatabaseOptions,
    *,
    client_folder: Path | None = None,
    patience: Patience | None = None,
    say: Say = lambda line: None,
) -> dict[Track, list[str]]:
    """Bring both tracks up to date, engine first; returns the names applied per track."""
    engine = load_engine_track()
    with connect_exclusively(options, patience=patience or Patience(), say=say) as migrator:
        applied: dict[Track, list[str]] = {"engine": migrator.apply("engine", engine)}
        try:
            applied["client"] = migrate_client(migrator, client_folder, say=say)
        except HogsendError as error:
            raise _blame_client(error) from error
    return applied


def migrate_client(migrator: Migrator, folder: Path | None, *, say: Say) -> list[str]:
    """Apply the author's track; without files there is nothing to do."""
    files = load_client_track(folder)
    if not files:
        say(f"[client] no migrations{'' if folder is None else f' in {folder}'}, skipped")
        return []
    return migrator.apply("client", files)


def refuse_drift(plan: Plan) -> None:
    """Raise MigrationError when files and ledger contradict each other."""
    if plan.problems:
        raise MigrationError(
            f"the {plan.track} migrations do not fit the database:\n  "
            + "\n  ".join(plan.problems),
            code="migration_drift",
            hint="restore the files as they were applied; --stamp notes a file without running it",
            context={"track": plan.track},
        )


def _wait_for_lock(session: Session, patience: timedelta, say: Say) -> None:
    deadline = time.monotonic() + patience.total_seconds()
    told_at = float("-inf")
    while not try_lock(session, MIGRATION_KEY):
        now = time.monotonic()
        if now >= deadline:
            raise MigrationError(
                f"another migration has been running for {patience.total_seconds():g} s",
                code="migration_lock_busy",
                hint="raise HOGSEND_MIGRATE_LOCK_WAIT_SECONDS or end the other one",
                context={"track": "engine"},
            )
        if now - told_at >= _TELL_SECONDS:
            say("Another migration is running, waiting for it")
            told_at = now
        time.sleep(_POLL_SECONDS)


def _notice_our_death(session: Session) -> None:
    """Have the server end a statement whose migrator was killed, instead of holding its locks.

    PostgreSQL 13 does not know the setting, and not every platform can do it.
    """
    try:
        session.script(
            "SELECT set_config(name, '1s', false) FROM pg_settings "
            "WHERE name = 'client_connection_check_interval'"
        )
    except InvalidValue:
        return


def _failure(track: Track, migration: Migration, error: DatabaseError) -> MigrationError:
    position = error.context.get("position")
    where = ""
    if migration.is_transactional and isinstance(position, str) and position.isdigit():
        where = f" line {migration.statements[0][: int(position)].count(chr(10)) + 1}"
    exists = error.sqlstate in ("42P07", "42723", "42710", "42701")
    return MigrationError(
        f"{migration.name}.sql{where}: {error.message}",
        hint="objects are there that the ledger does not know; --stamp notes them"
        if exists
        else error.hint,
        context={"track": track, "sqlstate": error.sqlstate},
    )


def _blame_client(error: HogsendError) -> MigrationError:
    if isinstance(error, MigrationError):
        return error
    return MigrationError(
        error.message, code=error.code, hint=error.hint, context={"track": "client"}
    )


def _ms_since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
