"""The bounded in-memory queue of the local orchestrator."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from hogsend.orchestrator.port import OrchestratorUnavailable, Run


@dataclass(order=True, slots=True, kw_only=True)
class QueuedRun:
    """One attempt waiting for a slot; ordered by priority, then by hand-over."""

    rank: int
    sequence: int
    run: Run = field(compare=False)
    queued_at: float = field(compare=False)


class RunQueue:
    """Priority order, first in first out within a priority; safe from any thread.

    The bound counts what callers submitted and has not started. Retries and cron ticks
    bypass it: they are few, and refusing them would lose them.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._heap: list[QueuedRun] = []
        self._sequence = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._heap)

    def offer(self, runs: Sequence[tuple[int, Run]], *, now: float) -> None:
        """Take all ``(priority, run)`` or none; an empty queue takes any number.

        Raises OrchestratorUnavailable when they do not fit.
        """
        with self._lock:
            if self._heap and len(self._heap) + len(runs) > self._limit:
                raise OrchestratorUnavailable(
                    "The local queue is full", context={"queued": len(self._heap)}
                )
            for priority, run in runs:
                self._push(priority, run, now)

    def push(self, priority: int, run: Run, *, now: float) -> None:
        """Take one run regardless of the bound."""
        with self._lock:
            self._push(priority, run, now)

    def put_back(self, queued: QueuedRun) -> None:
        """Return a run to its old place."""
        with self._lock:
            heapq.heappush(self._heap, queued)

    def pop(self) -> QueuedRun | None:
        """The next run, or None."""
        with self._lock:
            return heapq.heappop(self._heap) if self._heap else None

    def clear(self) -> int:
        """Forget everything; returns how many runs were forgotten."""
        with self._lock:
            count = len(self._heap)
            self._heap.clear()
            return count

    def _push(self, priority: int, run: Run, now: float) -> None:
        self._sequence += 1
        heapq.heappush(
            self._heap,
            QueuedRun(rank=-priority, sequence=self._sequence, run=run, queued_at=now),
        )
