"""Deletes what opens nothing any more, and old entries of the audit log."""

from __future__ import annotations

from datetime import timedelta

from hogsend.db import Executor, QueryFile
from hogsend.kernel.clock import Clock
from hogsend.orchestrator.housekeeping import clear_before, housekeeping_task
from hogsend.orchestrator.port import Task

_SESSIONS = QueryFile(__package__, "sessions.sql")
_AUDIT = QueryFile(__package__, "audit.sql")

PURGE_TASK = "access-purge"


def purge(db: Executor, *, clock: Clock, audit_for: timedelta) -> dict[str, int]:
    """Delete expired sessions and reset tokens and what was audited too long ago.

    Answers rows by kind. Certificates of erasure are proof and stay.
    """
    now = clock.now()
    return {
        "sessions": clear_before(db, _SESSIONS["delete_expired_sessions"], now),
        "resets": clear_before(db, _SESSIONS["delete_expired_resets"], now),
        "audit": clear_before(db, _AUDIT["delete_old_audit"], now - audit_for),
    }


def access_tasks(db: Executor, *, clock: Clock, audit_for: timedelta) -> list[Task]:
    """Once a day."""

    def work() -> dict[str, int]:
        return purge(db, clock=clock, audit_for=audit_for)

    return [housekeeping_task(PURGE_TASK, work, cron="17 3 * * *")]
