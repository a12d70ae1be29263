"""Notices journey code that holds up everybody else on the event loop."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from dataclasses import dataclass

import structlog

from hogsend.journeys.meta import JourneyDefinition

SLOW_TURN_SECONDS = 0.25
"""A stretch without a pause that is worth a line in the log when it is over."""
STUCK_SECONDS = 5.0
"""A stretch that is reported while it lasts: it may never end."""


@dataclass(slots=True)
class _Turn:
    definition: JourneyDefinition
    began: float
    thread: int
    is_reported: bool = False


class LoopWatch:
    """Told about every stretch journey code runs; a thread reports one that does not end.

    Python cannot stop such code. The report names the journey and the line it is at, and leases
    are not renewed meanwhile, so another worker takes over what this one holds.
    """

    def __init__(self, *, stuck_seconds: float = STUCK_SECONDS) -> None:
        self._stuck = stuck_seconds
        self._turn: _Turn | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look out for stuck code."""
        self._thread = threading.Thread(target=self._run, name="loop-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; idempotent."""
        self._stopping.set()

    def begin(self, definition: JourneyDefinition) -> None:
        """Journey code runs from here on; the event loop waits."""
        self._turn = _Turn(definition, time.perf_counter(), threading.get_ident())

    def end(self) -> None:
        """The event loop has control again."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        seconds = time.perf_counter() - turn.began
        if seconds > SLOW_TURN_SECONDS:
            structlog.get_logger().warning(
                "journey.blocked_the_loop",
                journey=turn.definition.meta.id,
                place=turn.definition.place,
                seconds=round(seconds, 3),
                hint="use asyncio.to_thread for slow work",
            )

    def check(self) -> None:
        """Report the present stretch when it has lasted too long; once per stretch."""
        turn = self._turn
        if turn is None or turn.is_reported:
            return
        seconds = time.perf_counter() - turn.began
        if seconds < self._stuck:
            return
        turn.is_reported = True
        structlog.get_logger().error(
            "journey.blocks_the_loop",
            journey=turn.definition.meta.id,
            place=_where(turn),
            seconds=round(seconds, 1),
            hint="this worker advances nobody until the code comes back",
        )

    def _run(self) -> None:
        while not self._stopping.wait(self._stuck / 5):
            self.check()


def _where(turn: _Turn) -> str:
    """The line of the journey's own file that is running, else where the journey begins."""
    frame = sys._current_frames().get(turn.thread)
    home = turn.definition.place.rpartition(":")[0]
    own = [f for f in traceback.extract_stack(frame) if f.filename == home] if frame else []
    return f"{home}:{own[-1].lineno}" if own else turn.definition.place
