"""Trigger to provider call, how fast many people wake at one moment and how punctual they are, and
what an advance costs with a long journal behind it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from hogsend.db import Query
from tests.acceptance.instance import Instance
from tests.benchmarks.loadgen import percentile
from tests.benchmarks.report import (
    Result,
    cpu_seconds,
    descendants,
    proportional_mb,
    resident_mb,
)
from tests.benchmarks.stack import Stack, engines, transactions
from tests.waiting import wait_until

_TRIGGERS = 60
_IDLE_SECONDS = 20.0
_UNREPORTED_SECONDS = 11.0
"""An idle backend reports what it has done after ten."""
_LENGTHS = (1, 10, 100, 990)
"""Recorded steps of a journey; one advance may make a thousand calls."""
_LONG_PEOPLE = 100
_NAPPERS = 500
_LATENESS = Query(
    "lateness",
    "SELECT 1000 * extract(epoch FROM s.completed_at - (p.value ->> 'openedAt')::timestamptz"
    " - interval '3 seconds')::float8 FROM journey_states s JOIN journey_steps p"
    " ON p.state_id = s.id AND p.key = 'wait:nap' WHERE s.journey_id = 'short-nap'",
)
_LATENCIES = Query(
    "latencies",
    "SELECT 1000 * extract(epoch FROM s.handed_over_at - e.received_at)::float8"
    " FROM email_sends s JOIN journey_states j ON j.id = s.journey_state_id"
    " JOIN user_events e ON e.id = j.trigger_event_id",
)
_WAITING = Query("waiting", "SELECT count(*) FROM waits WHERE outcome IS NULL")
_DUE_NOW = Query.parse(
    "due_now",
    "UPDATE waits SET due_at = now() WHERE state_id IN"
    " (SELECT state_id FROM waits WHERE outcome IS NULL LIMIT :people)",
)
_COMPLETED = Query("completed", "SELECT count(*) FROM journey_states WHERE status = 'completed'")
_BYTES = Query(
    "bytes",
    "SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(ARRAY['journey_states', 'waits',"
    " 'journey_steps', 'journey_logs']) t",
)


def run(stack: Stack) -> Iterator[Result]:
    """All of them, on every engine that is there."""
    people = int(os.environ.get("HOGSEND_BENCH_WAITING", "100000"))
    for name, engine in engines(os.environ):
        with stack.instance(engine) as instance:
            yield _trigger_to_provider(instance, name)
        with stack.instance(engine, HOGSEND_APP="bench_app:app") as instance:
            yield from _wakes(instance, name, people)
        with stack.instance(engine, HOGSEND_APP="bench_app:app") as instance:
            yield from _lengths(instance, name)
        engine.close()


def _trigger_to_provider(instance: Instance, engine: str) -> Result:
    instance.start_api()
    worker = instance.start_worker()
    for n in range(10):
        instance.send("mail.wanted", f"warm{n}")
    wait_until(lambda: len(instance.mails()) == 10, seconds=90, what="warm")
    idle = _commits_when_idle(instance)
    before, started = transactions(instance), time.monotonic()
    for n in range(_TRIGGERS):
        instance.send("mail.wanted", f"p{n}")
        time.sleep(0.1)
    wait_until(lambda: len(instance.mails()) == 10 + _TRIGGERS, seconds=60, what="every mail")
    time.sleep(_UNREPORTED_SECONDS)
    background = idle * (time.monotonic() - started)
    committed = transactions(instance) - before - background
    found = [float(row[0]) for row in instance.database.run(_LATENCIES)][-_TRIGGERS:]
    return Result(
        name=f"trigger to provider, {engine}",
        p50_ms=percentile(found, 0.5),
        p99_ms=percentile(found, 0.99),
        statements=committed / _TRIGGERS,
        memory_mb={"worker": sum(resident_mb(pid) for pid in descendants(worker.pid))},
        notes={"idle_commits_per_second": round(idle, 1)},
    )


def _commits_when_idle(instance: Instance) -> float:
    """A second, of api and worker together: what they do when there is nothing to do."""
    time.sleep(_UNREPORTED_SECONDS)
    before, started = transactions(instance), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    return (transactions(instance) - before) / (time.monotonic() - started)


def _wakes(instance: Instance, engine: str, people: int) -> Iterator[Result]:
    instance.start_api()
    worker = instance.start_worker()
    idle = sum(resident_mb(pid) for pid in descendants(worker.pid))
    empty = int(instance.database.run(_BYTES)[0][0])
    started = time.perf_counter()
    for start in range(0, people, 500):
        events = [{"name": "long.wait", "userId": f"w{n}"} for n in range(start, start + 500)]
        assert instance.post("/v1/events/batch", {"events": events}).status == 202
    wait_until(
        lambda: instance.database.run(_WAITING)[0][0] >= people,
        seconds=900,
        what="everybody waits",
    )
    enrolled = time.perf_counter() - started
    used = int(instance.database.run(_BYTES)[0][0]) - empty
    yield Result(
        name=f"enroll and wait, {people}, {engine}",
        per_second=people / enrolled,
        memory_mb={
            "worker idle": idle,
            "worker": sum(resident_mb(pid) for pid in descendants(worker.pid)),
            "worker PSS": sum(proportional_mb(pid) for pid in descendants(worker.pid)),
        },
        notes={"bytes_per_waiting": round(used / people)},
    )
    woken = people // 10
    before = transactions(instance)
    started = time.perf_counter()
    instance.database.run(_DUE_NOW, people=woken)
    wait_until(
        lambda: instance.database.run(_COMPLETED)[0][0] >= woken, seconds=300, what="all woke"
    )
    seconds = time.perf_counter() - started
    yield Result(
        name=f"wake {woken} of {people} at once, {engine}",
        per_second=woken / seconds,
        statements=(transactions(instance) - before) / woken,
        notes={"seconds_until_last": round(seconds, 2)},
    )


def _lengths(instance: Instance, engine: str) -> Iterator[Result]:
    """Punctuality, then first advances and wakes with ever more steps; each on the same worker."""
    instance.start_api()
    pid = instance.start_worker().pid
    yield _punctuality(instance, engine)
    completed = _NAPPERS
    for length in _LENGTHS:
        events = [
            {"name": "many.steps", "userId": f"l{length}-{n}", "eventProperties": {"steps": length}}
            for n in range(_LONG_PEOPLE)
        ]
        since = (cpu_seconds(pid), transactions(instance), time.perf_counter())
        assert instance.post("/v1/events/batch", {"events": events}).status == 202
        _reach(instance, _WAITING, _LONG_PEOPLE)
        yield _advance(instance, f"first advance, {length} steps, {engine}", pid, length, since)
        completed += _LONG_PEOPLE
        since = (cpu_seconds(pid), transactions(instance), time.perf_counter())
        instance.database.run(_DUE_NOW, people=_LONG_PEOPLE)
        _reach(instance, _COMPLETED, completed)
        yield _advance(instance, f"wake behind {length} steps, {engine}", pid, length, since)


def _advance(
    instance: Instance, name: str, pid: int, length: int, since: tuple[float, int, float]
) -> Result:
    cpu, before, started = since
    seconds = time.perf_counter() - started
    return Result(
        name=name,
        per_second=_LONG_PEOPLE / seconds,
        statements=(transactions(instance) - before) / _LONG_PEOPLE,
        notes={
            "worker_cpu_ms": round(1000 * (cpu_seconds(pid) - cpu) / _LONG_PEOPLE, 2),
            "steps_per_second": round(length * _LONG_PEOPLE / seconds),
        },
    )


def _punctuality(instance: Instance, engine: str) -> Result:
    events = [{"name": "short.nap", "userId": f"n{n}"} for n in range(_NAPPERS)]
    for start in range(0, _NAPPERS, 25):
        assert (
            instance.post("/v1/events/batch", {"events": events[start : start + 25]}).status == 202
        )
        time.sleep(0.1)
    _reach(instance, _COMPLETED, _NAPPERS)
    late = sorted(float(row[0]) for row in instance.database.run(_LATENESS))
    return Result(
        name=f"due to settled, {_NAPPERS} naps of 3 s, {engine}",
        p50_ms=percentile(late, 0.5),
        p99_ms=percentile(late, 0.99),
        notes={"earliest_ms": round(late[0], 1)},
    )


def _reach(instance: Instance, query: Query, people: int) -> None:
    wait_until(
        lambda: instance.database.run(query)[0][0] >= people, seconds=120, what=f"{people} people"
    )
