"""Ingest of known contacts over HTTP: the whole stack, fsync on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

from hogsend.embedded.ports import find_free_port
from tests.acceptance.engines import LocalEngine
from tests.acceptance.instance import Instance
from tests.benchmarks.report import Result, cpu_seconds, descendants, resident_mb
from tests.benchmarks.stack import Stack, transactions

_PEOPLE = 1000
_SECONDS = float(os.environ.get("HOGSEND_BENCH_SECONDS", "8"))
_UNLIMITED = {"HOGSEND_EVENTS_PER_MINUTE": "0"}
_PORTS = 4  # the most API processes of a case, and one to spare
_ROUND_TRIPS = re.compile(rb"^hogsend_db_round_trips_total ([0-9.e+]+)$", re.MULTILINE)


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
        ports = find_free_port()
        environ = {**environ, **_UNLIMITED, "HOGSEND_METRICS_PORT": str(ports)}
        with stack.instance(LocalEngine(namespace=""), **environ) as instance:
            api = instance.start_api()
            _make_contacts(instance)
            load(instance, seconds=1.5, batch=batch, connections=connections)  # warm
            idle = {"api idle": resident_mb(api.pid)}
            before, trips = transactions(instance), round_trips(ports)
            busy = cpu_seconds(api.pid), cpu_seconds(stack.postgres_pid)
            result = load(instance, seconds=_SECONDS, batch=batch, connections=connections)
            events = int(result["requests"]) * batch
            sent = round_trips(ports) - trips
            spent = cpu_seconds(api.pid) - busy[0], cpu_seconds(stack.postgres_pid) - busy[1]
            time.sleep(1.5)  # backends report their commits once a second
            committed = transactions(instance) - before
            processes = [resident_mb(pid) for pid in descendants(api.pid)]
            yield Result(
                name=name,
                per_second=float(result["per_second"]) * batch,
                p50_ms=float(result["p50_ms"]),
                p99_ms=float(result["p99_ms"]),
                statements=committed / max(1, events),
                round_trips=sent / max(1, events),
                memory_mb=idle | {"api loaded": max(processes), "api total": sum(processes)},
                notes={
                    "connections": connections,
                    # Comparable also on a machine that is busy with other things.
                    "api_cpu_us": round(1e6 * spent[0] / max(1, events)),
                    "postgres_cpu_us": round(1e6 * spent[1] / max(1, events)),
                    "errors": result["errors"],
                    "client_cpu_s": round(float(result["client_cpu_seconds"]), 1),
                },
            )


def round_trips(first_port: int) -> int:
    """Statements that the API's processes have sent, from their metrics."""
    total = 0.0
    for port in range(first_port, first_port + _PORTS):
        with suppress(OSError):
            answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
            found = _ROUND_TRIPS.search(answer.read())
            total += float(found.group(1)) if found else 0
    return round(total)


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
