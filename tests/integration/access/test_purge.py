from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hogsend.access.admins import create_admin
from hogsend.access.models import Admin
from hogsend.access.resets import Resets
from hogsend.access.sessions import Session, Sessions
from hogsend.access.tasks import access_tasks, purge
from hogsend.db import Database, Query
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Run, Task

pytestmark = pytest.mark.integration

TWO_YEARS = timedelta(days=730)
_AUDIT = Query.parse(
    "audit",
    "INSERT INTO audit_logs (actor, action, resource, created_at) SELECT 'ada', action, 'x',"
    " CAST(:at AS timestamptz) FROM unnest(ARRAY['contact.erased', 'sign-in.refused']) AS action",
)


class Silent:
    """Mails nothing."""

    def send_reset(self, admin: Admin, token: str) -> None:
        """Nobody needs the token."""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def ada(database: Database) -> Admin:
    return create_admin(database, email="ada@example.com", password="correct horse battery")


def opened(database: Database, clock: VirtualClock, ada: Admin, **how: bool) -> Session:
    session, _ = Sessions(database, clock=clock).open(ada, ip=None, agent=None, **how)
    return session


def rows(database: Database, sql: str) -> list[str]:
    return [str(row[0]) for row in database.run(Query.parse("test", sql))]


def test_purge_deletes_sessions_and_resets_that_expired_only(
    database: Database, clock: VirtualClock, ada: Admin
) -> None:
    opened(database, clock, ada, remembered=False)
    kept = opened(database, clock, ada)
    resets = Resets(database, clock=clock, mail=Silent())
    resets.request("ada@example.com")
    clock.advance(timedelta(days=1))
    resets.request("ada@example.com")

    purged = purge(database, clock=clock, audit_for=TWO_YEARS)

    assert purged == {"sessions": 1, "resets": 1, "audit": 0}
    assert rows(database, "SELECT id FROM session") == [kept.id]
    assert rows(database, "SELECT count(*) FROM verification") == ["1"]


def test_purge_leaves_a_session_that_was_prolonged(
    database: Database, clock: VirtualClock, ada: Admin
) -> None:
    session = opened(database, clock, ada)
    clock.advance(timedelta(days=6))
    Sessions(database, clock=clock).extend(session)
    clock.advance(timedelta(days=6))

    assert purge(database, clock=clock, audit_for=TWO_YEARS)["sessions"] == 0


def test_purge_keeps_young_entries_and_certificates_of_the_audit_log(
    database: Database, clock: VirtualClock
) -> None:
    database.run(_AUDIT, at=clock.now() - timedelta(days=731))
    database.run(_AUDIT, at=clock.now() - timedelta(days=729))

    purged = purge(database, clock=clock, audit_for=TWO_YEARS)

    assert purged == {"sessions": 0, "resets": 0, "audit": 1}
    assert rows(database, "SELECT action FROM audit_logs ORDER BY created_at, action") == [
        "contact.erased", "contact.erased", "sign-in.refused",
    ]  # fmt: skip


def test_daily_task_says_what_it_deleted(
    database: Database, clock: VirtualClock, ada: Admin
) -> None:
    opened(database, clock, ada)
    clock.advance(timedelta(days=8))
    (task,) = access_tasks(database, clock=clock, audit_for=TWO_YEARS)

    assert task.cron is not None
    assert asyncio.run(_run(task)) == {"sessions": 1, "resets": 0, "audit": 0}


async def _run(task: Task) -> JsonObject | None:
    return await task.handler(Run(task=task.name, input={}, run_id="r", attempt=1, metadata={}))
