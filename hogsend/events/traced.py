"""Ingest that begins the trace of every event it stores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from hogsend.errors import HogsendError
from hogsend.events.ingest import Ingest
from hogsend.events.models import Ingested, NewEvent

if TYPE_CHECKING:
    from hogsend.telemetry.tracing import Tracing

ResultT = TypeVar("ResultT")

_started: ContextVar[int] = ContextVar("hogsend_ingest_started", default=0)


class TracedIngest(Ingest):
    """A subclass and not a switch: untraced ingest is the plain class and pays nothing."""

    def __init__(self, tracing: Tracing, **parts: Any) -> None:
        super().__init__(**parts)
        self._tracing = tracing

    def ingest(self, event: NewEvent) -> Ingested:
        """See Ingest."""
        return self._timed(lambda: super(TracedIngest, self).ingest(event))

    def _chunk(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        return self._timed(lambda: super(TracedIngest, self)._chunk(events))

    def _timed(self, call: Callable[[], ResultT]) -> ResultT:
        token = _started.set(time.time_ns())
        try:
            return call()
        finally:
            _started.reset(token)

    def _tell(self, event: NewEvent, answer: Ingested) -> None:
        super()._tell(event, answer)
        # A repeated key answers the id of the first event, whose trace has begun already.
        if answer.stored and isinstance(answer.event_id, UUID):
            self._tracing.begin_trace(
                answer.event_id,
                "hogsend.ingest",
                started_ns=_started.get(),
                attributes={"hogsend.event_id": str(answer.event_id)},
            )


def build_ingest(tracing: Tracing | None, **parts: Any) -> Ingest:
    """Traced when there is somebody to tell; ``parts`` are those of Ingest."""
    return Ingest(**parts) if tracing is None else TracedIngest(tracing, **parts)
