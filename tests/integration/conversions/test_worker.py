"""What journeys cause in the worker converts as well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from hogsend.container.worker import WorkerContainer, build_worker
from hogsend.db import Database, Query
from hogsend.events.models import NewEvent
from hogsend.journeys.models import Item
from hogsend.outbox import Done
from hogsend.outbox.store import claim_due
from hogsend.settings import load

_CONTENT = """\
from hogsend import App, on

app = App(__name__)
app.conversion(id="finished", trigger=on("journey:completed"))


@app.journey(id="a", name="A", trigger=on("x"), goal="finished")
async def a(user, ctx):
    await ctx.trigger("renewed", value=9, currency="EUR")
"""


@pytest.fixture
def worker(dsn: str, redis_url: str, tmp_path: Path) -> Iterator[WorkerContainer]:
    (tmp_path / "converting_content.py").write_text(_CONTENT, encoding="utf-8")
    environ = {
        "DATABASE_URL": dsn,
        "REDIS_URL": redis_url,
        "BETTER_AUTH_SECRET": "x" * 32,
        "HOGSEND_ORCHESTRATOR": "local",
        "NODE_ENV": "test",
        "HOGSEND_APP": "converting_content:app",
        "HOGSEND_CONTENT_DIR": str(tmp_path),
    }
    built = build_worker(load(environ, mode="worker"))
    yield built
    built.close()


def test_journey_converts_by_what_it_triggers_and_by_its_end(
    worker: WorkerContainer, database: Database
) -> None:
    worker.parts.ingest.ingest(NewEvent(name="x", external_id="U"))
    (start,) = claim_due(database, limit=10, resubmit=timedelta(minutes=1))
    definition = worker.journeys.registry.find("a")
    assert definition is not None
    item = Item(outbox_id=start.id, state_id=None, event_id=UUID(str(start.payload["event"])))

    outcomes = asyncio.run(worker.journeys.advance.run(definition, [item]))
    (end,) = claim_due(database, limit=10, resubmit=timedelta(minutes=1))
    delivered = worker.journeys.announcer.deliver([end])

    assert outcomes == {"completed": 1}
    assert delivered == [Done()]
    assert database.run(
        Query("t", "SELECT definition_id, user_key, value FROM conversions ORDER BY id")
    ) == [("revenue", "U", Decimal("9.00")), ("finished", "U", None)]
