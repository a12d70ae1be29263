"""Metrics of a process, when somebody scrapes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hogsend.errors import ConfigError
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.db import Database
    from hogsend.telemetry.metrics import Metrics, MetricsServer

_PORTS = 10


def build_metrics(settings: Settings, db: Database, *, mode: str) -> Metrics | None:
    """None unless HOGSEND_METRICS_PORT is set; reads nothing before somebody scrapes."""
    if settings.metrics_port is None:
        return None
    from hogsend.outbox import store
    from hogsend.telemetry.metrics import Metrics

    metrics = Metrics(mode=mode)
    metrics.watch_pool(db.stats)
    metrics.watch_outbox(lambda: store.measure_backlog(db))
    return metrics


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
