"""Traces of a process, when somebody collects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.port import Run, Task, TaskHandler
from hogsend.outbox import Delivery, OutboxRow, Relay
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.telemetry.tracing import Tracing


def build_tracing(settings: Settings, *, mode: str) -> Tracing | None:
    """None unless OTEL_EXPORTER_OTLP_ENDPOINT is set and the packages are installed."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    from hogsend.telemetry import tracing

    if not tracing.is_available():
        structlog.get_logger().warning(tracing.MISSING)
        return None
    return tracing.build_tracing(service=settings.service_name, mode=mode)


def traced(tracing: Tracing | None, tasks: Sequence[Task]) -> list[Task]:
    """The tasks, each run of them a span; as they are without traces."""
    if tracing is None:
        return list(tasks)
    return [replace(task, handler=_traced(tracing, task)) for task in tasks]


def _traced(tracing: Tracing, task: Task) -> TaskHandler:
    async def handle(run: Run) -> JsonObject | None:
        attributes = {"hogsend.run_id": run.run_id, "hogsend.attempt": run.attempt}
        with tracing.span(f"hogsend.task {task.name}", attributes):
            return await task.handler(run)

    return handle


class TracedRelay(Relay):
    """A relay whose batches are spans."""

    def __init__(self, tracing: Tracing, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tracing = tracing

    def _deliver(self, topic: str, rows: list[OutboxRow]) -> Sequence[Delivery]:
        with self._tracing.span("hogsend.relay", {"topic": topic, "rows": len(rows)}):
            return super()._deliver(topic, rows)


def build_relay(tracing: Tracing | None, *args: Any, **options: Any) -> Relay:
    """Traced when there is somebody to tell; the rest is that of Relay."""
    return Relay(*args, **options) if tracing is None else TracedRelay(tracing, *args, **options)
