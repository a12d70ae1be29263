"""The list of metrics for docs/observability.md, read from what a process would serve.

``python -m hogsend.telemetry.reference`` prints it.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from hogsend.telemetry.metrics import Metrics

_TYPES = {"gauge": "gauge", "counter": "counter", "histogram": "histogram"}


def render_metrics() -> str:
    """A table of every metric: name, type, labels, meaning; sorted by name."""
    metrics = Metrics(mode="worker")
    empty: Any = _Zeros()
    metrics.watch_outbox(lambda: empty)
    metrics.watch_waits(lambda: empty)
    metrics.watch_workers(lambda: 0)
    metrics.watch_pool(lambda: empty)
    metrics.count_event("created")
    metrics.count_send(provider="p", template="t", outcome="sent")
    metrics.count_advance(journey="j", outcome="completed")
    metrics.count_repairs("over", 1)
    metrics.observe_task(task="t", outcome="ok", seconds=0)
    metrics.observe_request(method="GET", route="/", status=200, seconds=0)
    lines = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    for family in sorted(metrics.registry.collect(), key=lambda found: found.name):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        shown = ", ".join(f"`{label}`" for label in labels) or "–"
        lines.append(f"| `{name}` | {_TYPES[family.type]} | {shown} | {family.documentation} |")
    return "\n".join(lines) + "\n"


class _Zeros(SimpleNamespace):
    """Whatever is measured is zero."""

    def __getattr__(self, name: str) -> int:
        return 0


if __name__ == "__main__":
    sys.stdout.write(render_metrics())
