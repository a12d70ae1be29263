"""Studio and doctor say that a database is a copy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from falcon.testing import create_environ

from hogsend.access.models import Admin
from hogsend.access.sessions import Session
from hogsend.db import Database, home
from hogsend.db.schema_version import SchemaStatus, probe
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kv.heartbeat import Workers
from hogsend.ops.doctor import examine
from hogsend.ops.health import Activity, Health, WorkerSeen
from hogsend.ops.restore import fence
from hogsend.studio.gate import Visit
from hogsend.studio.pages import Pages
from hogsend.studio.static_files import StaticFiles
from hogsend.studio.views.status import StatusViews
from hogsend.web.http import Request, Response

_NOW = datetime.now(UTC)


@dataclass
class _Well:
    """Probes that find everything up."""

    db: Database

    def database(self) -> None: ...
    def redis(self) -> None: ...
    def worker(self) -> WorkerSeen:
        return WorkerSeen(last_seen_at=_NOW)

    def schema(self) -> SchemaStatus:
        return probe(self.db)

    def activity(self) -> Activity:
        return Activity()


@pytest.mark.parametrize("is_copy", [False, True])
def test_copy_is_shown_by_studio_and_doctor(database: Database, dsn: str, is_copy: bool) -> None:
    if is_copy:
        fence(database, new_id=uuid7())
    views = StatusViews(
        pages=Pages(StaticFiles()),
        db=database,
        health=Health(_Well(database), clock=SystemClock(), started_at=_NOW),
        read_workers=lambda: Workers(last_seen_at=_NOW, instances={"w:1": _NOW}, versions={}),
        engine="local",
    )
    admin = Admin(id="a", email="a@example.org", name="A", created_at=_NOW)
    session = Session(
        id="s",
        admin=admin,
        expires_at=_NOW,
        remembered=True,
        ip_address=None,
        user_agent=None,
        created_at=_NOW,
        updated_at=_NOW,
    )
    resp = Response()

    views.show_fragment(Request(create_environ()), resp, Visit(session=session, csrf="c"))

    html = str(resp.text or (resp.data or b"").decode())
    found = examine({"DATABASE_URL": dsn}, mode="migrate", clock=SystemClock())
    advice = [finding for finding in found if "restore confirm" in str(finding)]
    assert ("hogsend restore confirm" in html) is is_copy
    assert ("Everything runs." in html) is not is_copy
    assert (len(advice) == 1) is is_copy
    assert (home.find_reason(database, database.options) == home.FENCED) is is_copy
