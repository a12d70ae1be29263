"""Metrics of a process, when somebody scrapes them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from hogsend.errors import ConfigError
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Run, Task, TaskHandler
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.db import Database
    from hogsend.kernel.clock import Clock
    from hogsend.kv import Kv
    from hogsend.telemetry.metrics import Metrics, MetricsServer

_PORTS = 10


def build_metrics(
    settings: Settings, db: Database, kv: Kv, clock: Clock, *, mode: str
) -> Metrics | None:
    """None unless HOGSEND_METRICS_PORT is set; reads nothing before somebody scrapes."""
    if settings.metrics_port is None:
        return None
    from hogsend.kv import heartbeat
    from hogsend.ops.overview import read_overview
    from hogsend.outbox import store
    from hogsend.telemetry.metrics import Metrics

    metrics = Metrics(mode=mode)
    metrics.watch_pool(db.stats)
    metrics.watch_outbox(lambda: store.measure_backlog(db))
    metrics.watch_waits(lambda: read_overview(db))
    metrics.watch_workers(lambda: len(heartbeat.read(kv, now=clock.now()).instances))
    return metrics


def timed(metrics: Metrics | None, tasks: Sequence[Task]) -> list[Task]:
    """The tasks, each run of them measured; as they are without metrics."""
    if metrics is None:
        return list(tasks)
    return [replace(task, handler=_timed(metrics, task)) for task in tasks]


def _timed(metrics: Metrics, task: Task) -> TaskHandler:
    async def handle(run: Run) -> JsonObject | None:
        started, outcome = time.perf_counter(), "error"
        try:
            answer = await task.handler(run)
            outcome = "ok"
        finally:
            seconds = time.perf_counter() - started
            metrics.observe_task(task=task.name, outcome=outcome, seconds=seconds)
        return answer

    return handle


def serve_metrics(metrics: Metrics, port: int) -> MetricsServer:
    """Listen on ``port`` or the first free one of the nine after it.

    One environment serves several processes of a machine (api processes, a worker beside them);
    the label ``mode`` tells them apart. Raises ConfigError when all ten are taken.
    """
    from hogsend.telemetry import metrics as telemetry

    for candidate in range(port, port + _PORTS):
        try:
            server = telemetry.serve_metrics(metrics, candidate)
        except ConfigError:
            if candidate == port + _PORTS - 1:
                raise
            continue
        structlog.get_logger().info("metrics.listening", port=server.port)
        return server
    raise AssertionError("unreachable")
