"""Notices journey code that holds up everybody else on the event loop."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
import traceback
from dataclasses import dataclass

import structlog

from hogsend.errors import HogsendError
from hogsend.journeys.meta import JourneyDefinition

SLOW_TURN_SECONDS = 0.25
"""A stretch without a pause that is worth a line in the log when it is over."""
STUCK_SECONDS = 5.0
"""A stretch that is reported while it lasts: it may never end."""
BREAK_SECONDS = 30.0
"""A stretch that is broken off; before the leases of everybody else on the loop are over."""


class StuckJourney(HogsendError):
    """The function ran for half a minute without awaiting anything and was interrupted."""

    default_code = "stuck_journey"

    def __init__(self, message: str = "the journey blocked the worker and was interrupted") -> None:
        super().__init__(
            message, hint="await a pause of ctx inside a loop, asyncio.to_thread for slow work"
        )


@dataclass(slots=True)
class _Turn:
    definition: JourneyDefinition
    began: float
    thread: int
    is_reported: bool = False
    broken_at: float | None = None


class LoopWatch:
    """Told about every stretch journey code runs; a thread reports one that does not end.

    The report names the journey and the line it is at. After ``break_seconds`` the stretch is
    interrupted by StuckJourney, so that one endless loop does not take every worker with it; code
    in C (``time.sleep``) is interrupted when it returns.
    """

    def __init__(
        self,
        *,
        stuck_seconds: float = STUCK_SECONDS,
        break_seconds: float = BREAK_SECONDS,
    ) -> None:
        self._stuck = stuck_seconds
        self._break = break_seconds
        self._turn: _Turn | None = None
        self._lock = threading.Lock()
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
        if seconds < SLOW_TURN_SECONDS:
            return
        with self._lock:
            # An interruption that comes at the last moment is raised here. It must not be taken
            # back: CPython 3.11 would look for it for ever, at every line.
            pass
        structlog.get_logger().warning(
            "journey.blocked_the_loop",
            journey=turn.definition.meta.id,
            place=turn.definition.place,
            seconds=round(seconds, 3),
            hint="use asyncio.to_thread for slow work",
        )

    def check(self) -> None:
        """Report the present stretch when it has lasted too long, and break it off later."""
        turn = self._turn
        if turn is None:
            return
        now = time.perf_counter()
        seconds = now - turn.began
        if seconds >= self._stuck and not turn.is_reported:
            turn.is_reported = True
            structlog.get_logger().error(
                "journey.blocks_the_loop",
                journey=turn.definition.meta.id,
                place=_where(turn),
                seconds=round(seconds, 1),
                hint="this worker advances nobody until the code comes back",
            )
        if now - (turn.broken_at or turn.began) >= self._break:
            self._break_off(turn, now)

    def _break_off(self, turn: _Turn, now: float) -> None:
        with self._lock:
            if self._turn is not turn:
                return
            turn.broken_at = now  # and again if the function swallows it
            _interrupt(turn.thread)
        structlog.get_logger().error(
            "journey.was_interrupted", journey=turn.definition.meta.id, place=_where(turn)
        )

    def _run(self) -> None:
        while not self._stopping.wait(min(self._stuck, self._break) / 5):
            self.check()


def _interrupt(thread: int) -> None:
    """Raise StuckJourney in another thread at its next line of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(StuckJourney)
    )


def _where(turn: _Turn) -> str:
    """The line of the journey's own file that is running, else where the journey begins."""
    frame = sys._current_frames().get(turn.thread)
    home = turn.definition.place.rpartition(":")[0]
    own = [f for f in traceback.extract_stack(frame) if f.filename == home] if frame else []
    return f"{home}:{own[-1].lineno}" if own else turn.definition.place
