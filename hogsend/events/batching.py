"""Natural micro-batching: what arrives while a batch is being stored forms the next one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from hogsend.errors import HogsendError
from hogsend.events.models import Ingested, NewEvent

_MAX_BATCH = 200


class StoresMany(Protocol):
    """The bulk half of ``Ingest``."""

    def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        """One answer per event, in order."""
        ...


class _Cell:
    """One waiting request."""

    __slots__ = ("answer", "event", "leads", "ready")

    def __init__(self, event: NewEvent) -> None:
        self.event = event
        self.answer: Ingested | Exception | None = None
        self.leads = False
        self.ready = threading.Event()


class BatchingIngest:
    """``Ingest.ingest`` for many threads at once, with one statement in flight.

    The first caller stores its event alone and at once, so a quiet server is as fast as ever.
    There is no timer and no thread: a caller whose turn it is stores for everybody who waits.
    Halves the database's work under load, at the price of one connection per process.
    """

    def __init__(self, ingest: StoresMany) -> None:
        self._ingest = ingest
        self._queue: list[_Cell] = []
        self._is_busy = False
        self._lock = threading.Lock()

    def ingest(self, event: NewEvent) -> Ingested:
        """As ``Ingest.ingest``, errors included."""
        cell = _Cell(event)
        with self._lock:
            self._queue.append(cell)
            if not self._is_busy:
                self._is_busy = cell.leads = True
        if not cell.leads:
            cell.ready.wait()
        if cell.leads:
            self._store_batch()
        if isinstance(cell.answer, Ingested):
            return cell.answer
        assert cell.answer is not None
        raise cell.answer

    def _store_batch(self) -> None:
        with self._lock:
            batch, self._queue = self._queue[:_MAX_BATCH], self._queue[_MAX_BATCH:]
        answers: Sequence[Ingested | Exception]
        try:
            answers = self._ingest.ingest_many([cell.event for cell in batch])
        except Exception as error:  # every waiter gets it; none may be left waiting
            answers = [error] * len(batch)
        with self._lock:
            successor = self._queue[0] if self._queue else None
            self._is_busy = successor is not None
            if successor is not None:
                successor.leads = True
        for cell, answer in zip(batch, answers, strict=True):
            cell.answer = answer
            cell.ready.set()
        if successor is not None:
            successor.ready.set()
