"""Ingest of known contacts over HTTP: the whole stack, fsync on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from tests.acceptance.engines import LocalEngine
from tests.acceptance.instance import Instance
from tests.benchmarks.report import Result, descendants, resident_mb
from tests.benchmarks.stack import Stack, transactions

_PEOPLE = 1000
_SECONDS = 8.0


def run(stack: Stack) -> Iterator[Result]:
    """One process, micro-batching, two processes, the batch endpoint."""
    cases = [
        ("ingest, 1 process", {}, 1, 64),
        ("ingest, 1 process, micro-batching", {"HOGSEND_INGEST_BATCH": "true"}, 1, 64),
        ("ingest, 2 processes", {"HOGSEND_API_PROCESSES": "2"}, 1, 64),
        (
            "ingest, 2 processes, micro-batching",
            {"HOGSEND_API_PROCESSES": "2", "HOGSEND_INGEST_BATCH": "true"},
            1,
            64,
        ),
        ("ingest, batches of 100, 1 process", {}, 100, 8),
    ]
    for name, environ, batch, connections in cases:
        with stack.instance(LocalEngine(namespace=""), **environ) as instance:
            api = instance.start_api()
            _make_contacts(instance)
            load(instance, seconds=1.5, batch=batch, connections=connections)  # warm
            idle = {"api idle": resident_mb(api.pid)}
            before = transactions(instance)
            result = load(instance, seconds=_SECONDS, batch=batch, connections=connections)
            events = int(result["requests"]) * batch
            committed = transactions(instance) - before
            processes = [resident_mb(pid) for pid in descendants(api.pid)]
            yield Result(
                name=name,
                per_second=float(result["per_second"]) * batch,
                p50_ms=float(result["p50_ms"]),
                p99_ms=float(result["p99_ms"]),
                statements=committed / max(1, events),
                memory_mb=idle | {"api loaded": max(processes), "api total": sum(processes)},
                notes={
                    "connections": connections,
                    "errors": result["errors"],
                    "client_cpu_s": round(float(result["client_cpu_seconds"]), 1),
                },
            )


def load(
    instance: Instance, *, seconds: float, batch: int = 1, connections: int = 64
) -> dict[str, float]:
    """Run the load generator as a process of its own."""
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.benchmarks.loadgen",
            f"--port={instance.port}",
            f"--key={instance.api_key}",
            f"--connections={connections}",
            f"--seconds={seconds}",
            f"--people={_PEOPLE}",
            f"--batch={batch}",
        ],
        check=True,
        capture_output=True,
    )
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def _make_contacts(instance: Instance) -> None:
    for start in range(0, _PEOPLE, 200):
        events = [
            {"name": "bench.seen", "userId": f"bench-{n}", "email": f"bench-{n}@people.test"}
            for n in range(start, start + 200)
        ]
        assert instance.post("/v1/events/batch", {"events": events}).status == 202
