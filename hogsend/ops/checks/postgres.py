"""PostgreSQL: reachable, new enough, in sync, roomy, on time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hogsend.db import Database, DatabaseOptions, QueryFile, home
from hogsend.db.errors import UndefinedTable
from hogsend.db.schema_version import TrackStatus, probe
from hogsend.errors import HogsendError
from hogsend.kernel.clock import Clock
from hogsend.ops.checks.finding import Finding, ok, problem, warning
from hogsend.settings import Settings

_Q = QueryFile(__package__, "checks.sql")
_SUBJECT = "postgres"
_OLDEST = 130000
_SKEW = timedelta(seconds=5)


def check_postgres(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """Everything about the database of ``DATABASE_URL``."""
    if not settings.database_url:
        return [
            problem(
                _SUBJECT,
                "DATABASE_URL is not set",
                "set it to postgresql://user:password@host:5432/name",
            )
        ]
    db = Database(
        DatabaseOptions(
            url=settings.database_url,
            pool_size=1,
            prepare=settings.db_prepare,
            application_name="hogsend-doctor",
        )
    )
    findings: list[Finding] = []
    try:
        findings += _server(db, settings, clock)
        findings += _tracks(db, settings)
        findings += _home(db)
    except HogsendError as error:
        fix = error.hint or "check host, port, user, password and sslmode in DATABASE_URL"
        findings.append(problem(_SUBJECT, error.message, fix))
    finally:
        db.close()
    return findings


def _server(db: Database, settings: Settings, clock: Clock) -> list[Finding]:
    before = clock.now()
    version, now, may_create, limit, used, commit, fsync, is_standby = db.run(_Q["read_server"])[0]
    after = clock.now()
    text = f"{version // 10000}.{version % 10000}"
    findings = [ok(_SUBJECT, f"PostgreSQL {text} answers")]
    if version < _OLDEST:
        findings[0] = problem(
            _SUBJECT, f"PostgreSQL {text} is too old", "use PostgreSQL 13 or newer"
        )
    if is_standby:
        findings.append(
            problem(_SUBJECT, "this is a read-only standby", "point DATABASE_URL at the primary")
        )
    if not may_create:
        findings.append(
            warning(
                _SUBJECT,
                "this role may not create schemas, so `migrate` will fail",
                "GRANT CREATE ON DATABASE … TO this role, or migrate with another role",
            )
        )
    if commit == "off" or fsync == "off":
        findings.append(
            warning(
                _SUBJECT,
                f"synchronous_commit={commit}, fsync={fsync}: an accepted event can be lost",
                "turn both on",
            )
        )
    wanted = settings.database_pool_max
    if limit - used < wanted:
        findings.append(
            warning(
                _SUBJECT,
                f"{used} of {limit} connections are used; one process may open {wanted}",
                "raise max_connections, lower DATABASE_POOL_MAX, or put a pooler in between "
                "and set HOGSEND_DB_PREPARE=false",
            )
        )
    skew = max(before - now, now - after, timedelta(0))
    if skew > _SKEW:
        findings.append(
            warning(
                "clock",
                f"this machine and PostgreSQL differ by {skew.total_seconds():.0f} s",
                "run an NTP client on both",
            )
        )
    else:
        findings.append(ok("clock", "this machine and PostgreSQL agree"))
    return findings


def _tracks(db: Database, settings: Settings) -> list[Finding]:
    status = probe(db, client_folder=settings.client_migrations_folder)
    return [
        _track("engine track", status.engine),
        _track("client track", status.client),
    ]


def _home(db: Database) -> list[Finding]:
    try:
        reason = home.find_reason(db, db.options)
    except UndefinedTable:
        return []  # the tracks say what is missing
    if reason is None:
        return []
    return [
        problem(
            "restore",
            f"this database is a copy: {reason}; workers send nothing from it",
            "if it has replaced the original: `hogsend restore confirm`",
        )
    ]


def _track(name: str, track: TrackStatus) -> Finding:
    if not track.in_sync:
        return problem(
            "schema",
            f"{name}: {len(track.pending)} migration(s) pending, first {track.pending[0]}",
            "run `hogsend migrate` before api and worker",
        )
    return ok("schema", f"{name}: in sync at {track.applied}" if track.applied else f"{name}: none")
