"""What a worker does with journeys beside advancing them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from hogsend.container.worker import WorkerContainer, build_worker
from hogsend.db import Query
from hogsend.errors import ConfigError
from hogsend.events.models import NewEvent
from hogsend.journeys.tasks import RECONCILE_TASK
from hogsend.orchestrator.port import Run
from hogsend.settings import load

pytestmark = pytest.mark.integration

_CONTENT = """\
from datetime import timedelta

from hogsend import App, on, prop

app = App(__name__)
app.list("beta", name="Beta", default_opt_in=False)


@app.journey(id="a", name="A", trigger=on("x").where(prop("n") > 1), category="beta")
async def a(user, ctx):
    await ctx.sleep(timedelta(days=1))
"""
_DAMAGE = Query.parse(
    "damage",
    "INSERT INTO journey_states (user_id, journey_id, status, updated_at)"
    " VALUES ('u', 'a', 'active', now() - interval '1 hour') RETURNING id",
)
MakeWorker = Callable[..., WorkerContainer]


@pytest.fixture
def make_worker(dsn: str, redis_url: str, tmp_path: Path) -> Iterator[MakeWorker]:
    made: list[WorkerContainer] = []
    module = f"content_{uuid4().hex[:8]}"
    (tmp_path / f"{module}.py").write_text(_CONTENT, encoding="utf-8")

    def make(**environ: str) -> WorkerContainer:
        given = {
            "DATABASE_URL": dsn,
            "REDIS_URL": redis_url,
            "BETTER_AUTH_SECRET": "x" * 32,
            "HOGSEND_ORCHESTRATOR": "local",
            "NODE_ENV": "test",
            "HOGSEND_APP": f"{module}:app",
            "HOGSEND_CONTENT_DIR": str(tmp_path),
        }
        made.append(build_worker(load({**given, **environ}, mode="worker")))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def test_journey_whose_opt_in_list_is_left_out_does_not_start(make_worker: MakeWorker) -> None:
    # Without the list everybody would count as subscribed.
    with pytest.raises(ConfigError, match="journey a: 'beta' is a list people must join"):
        make_worker(ENABLED_LISTS=",")


def test_journey_that_does_not_run_here_needs_no_list_here(make_worker: MakeWorker) -> None:
    worker = make_worker(ENABLED_LISTS=",", ENABLED_JOURNEYS=",")

    assert worker.journeys.registry.ids == ()


def test_repairs_and_refusals_are_metrics(make_worker: MakeWorker) -> None:
    worker = make_worker(HOGSEND_METRICS_PORT="19464")
    assert worker.parts.metrics is not None
    worker.parts.ingest.ingest(NewEvent(name="x", external_id="u", properties={"n": 1}))
    worker.db.run(_DAMAGE)
    task = next(task for task in worker.tasks if task.name == RECONCILE_TASK)

    async def reconcile() -> None:
        await task.handler(Run(task=RECONCILE_TASK, input={}, run_id="1", attempt=1, metadata={}))

    asyncio.run(reconcile())

    text = worker.parts.metrics.render().decode()
    assert 'hogsend_journey_repairs_total{kind="without_work"} 1.0' in text
    assert 'hogsend_journey_repairs_total{kind="over"} 0.0' in text
    refused = '{journey="a",outcome="trigger_conditions_not_met"} 1.0'
    assert f"hogsend_journey_advances_total{refused}" in text
