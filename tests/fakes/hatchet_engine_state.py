"""What the stub engine remembers and how it spreads runs over workers."""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from hatchet_sdk.contracts.v1.workflows_pb2 import ConcurrencyLimitStrategy

_INPUT_FIELD = re.compile(r"input\.(\w+)")


@dataclass(kw_only=True)
class StubRun:
    """One run of one single-task workflow."""

    id: str
    workflow: str
    input: dict[str, Any]
    metadata: dict[str, Any]
    priority: int
    sequence: int
    due: float
    retry_count: int = 0
    status: str = "queued"
    worker_id: str | None = None
    deliveries: int = 0
    output: str | None = None


@dataclass(kw_only=True)
class StubWorker:
    """One registered worker; ``stream`` is None while nobody listens."""

    id: str
    name: str
    actions: frozenset[str]
    slots: int
    stream: queue.Queue[StubRun | None] | None = None
    lost_at: float | None = None
    is_paused: bool = False
    last_heartbeat: float = 0.0
    running: set[str] = field(default_factory=set)


class StubState:
    """Guarded by ``lock``; a scheduler thread assigns due runs every few milliseconds."""

    def __init__(self, *, reassign_after: float) -> None:
        self.lock = threading.RLock()
        self.workflows: dict[str, Any] = {}
        self.workers: dict[str, StubWorker] = {}
        self.runs: dict[str, StubRun] = {}
        self.extra_deliveries = 0
        self._queued: list[StubRun] = []
        self._sequence = 0
        self._reassign_after = reassign_after
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._schedule, name="stub-engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop scheduling."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def add_run(
        self, workflow: str, payload: dict[str, Any], metadata: dict[str, Any], priority: int
    ) -> str:
        """Queue a run; returns its id."""
        with self.lock:
            self._sequence += 1
            run = StubRun(
                id=str(uuid4()),
                workflow=workflow,
                input=payload,
                metadata=metadata,
                priority=priority,
                sequence=self._sequence,
                due=time.monotonic(),
            )
            self.runs[run.id] = run
            self._queued.append(run)
            return run.id

    def settle(self, run_id: str, retry_count: int, *, failed: bool, may_retry: bool) -> None:
        """Note the outcome of an attempt; stale and repeated reports change nothing."""
        with self.lock:
            run = self.runs.get(run_id)
            if run is None or run.status != "running" or run.retry_count != retry_count:
                return
            self._free(run)
            task = self.workflows[run.workflow].tasks[0]
            if not failed:
                run.status = "completed"
            elif may_retry and run.retry_count < task.retries:
                run.retry_count += 1
                pause = min(task.backoff_factor**run.retry_count, task.backoff_max_seconds)
                self._requeue(run, delay=float(pause))
            else:
                run.status = "failed"

    def disconnect(self, worker_id: str, stream: queue.Queue[StubRun | None]) -> None:
        """The worker's stream ended; a newer stream of the same worker is left alone."""
        with self.lock:
            worker = self.workers.get(worker_id)
            if worker is not None and worker.stream is stream:
                worker.stream = None
                worker.lost_at = time.monotonic()

    def remove_worker(self, worker_id: str) -> None:
        """Unregister; its runs are given to others at once."""
        with self.lock:
            worker = self.workers.pop(worker_id, None)
            if worker is not None:
                self._reassign(worker)

    def _schedule(self) -> None:
        while not self._stopping.wait(0.005):
            with self.lock:
                self._give_up_lost_workers()
                for run in self._due_runs():
                    self._try_assign(run)

    def _due_runs(self) -> list[StubRun]:
        now = time.monotonic()
        due = [run for run in self._queued if run.due <= now]
        return sorted(due, key=lambda run: (-run.priority, run.sequence))

    def _try_assign(self, run: StubRun) -> None:
        verdict = self._concurrency_verdict(run)
        if verdict == "drop":
            self._queued.remove(run)
            run.status = "cancelled"
            return
        worker = None if verdict == "wait" else self._pick_worker(run)
        if worker is None or worker.stream is None:
            return
        self._queued.remove(run)
        run.status = "running"
        run.worker_id = worker.id
        worker.running.add(run.id)
        copies = 1
        if self.extra_deliveries:
            self.extra_deliveries -= 1
            copies = 2
        for _ in range(copies):
            run.deliveries += 1
            worker.stream.put(run)

    def _pick_worker(self, run: StubRun) -> StubWorker | None:
        action = self.workflows[run.workflow].tasks[0].action
        fitting = [
            w
            for w in self.workers.values()
            if w.stream is not None
            and not w.is_paused
            and action in w.actions
            and len(w.running) < w.slots
        ]
        return min(fitting, key=lambda w: len(w.running), default=None)

    def _concurrency_verdict(self, run: StubRun) -> str:
        rules = self.workflows[run.workflow].tasks[0].concurrency
        for rule in rules:
            key = _key(rule.expression, run)
            busy = sum(
                1
                for other in self.runs.values()
                if other.workflow == run.workflow
                and other.status == "running"
                and _key(rule.expression, other) == key
            )
            if busy >= rule.max_runs:
                return (
                    "drop"
                    if rule.limit_strategy == ConcurrencyLimitStrategy.CANCEL_NEWEST
                    else "wait"
                )
        return "go"

    def _give_up_lost_workers(self) -> None:
        now = time.monotonic()
        for worker in list(self.workers.values()):
            if worker.lost_at is not None and now - worker.lost_at > self._reassign_after:
                self._reassign(worker)

    def _reassign(self, worker: StubWorker) -> None:
        for run_id in list(worker.running):
            run = self.runs[run_id]
            self._free(run)
            run.retry_count += 1
            self._requeue(run, delay=0)

    def _requeue(self, run: StubRun, *, delay: float) -> None:
        run.status = "queued"
        run.due = time.monotonic() + delay
        self._queued.append(run)

    def _free(self, run: StubRun) -> None:
        worker = self.workers.get(run.worker_id or "")
        if worker is not None:
            worker.running.discard(run.id)
        run.worker_id = None


def _key(expression: str, run: StubRun) -> str:
    """Understands the two shapes our adapter writes."""
    named = _INPUT_FIELD.search(expression)
    return str(run.input.get(named.group(1))) if named else expression


def parse_object(text: str) -> dict[str, Any]:
    """A JSON object, empty for no text."""
    value = json.loads(text) if text else {}
    assert isinstance(value, dict)
    return value


Refusal = Callable[[str, dict[str, Any]], bool]
"""(workflow, input) -> True when the engine shall refuse the run."""
