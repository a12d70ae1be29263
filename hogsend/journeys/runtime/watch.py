"""Notices journey code that holds up everybody else, or that a replay could not repeat."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from hogsend.errors import HogsendError
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.runtime.notices import ReplayProblem, TurnWatch

SLOW_TURN_SECONDS = 0.25
"""A stretch without a pause that is worth a line in the log when it is over."""
STUCK_SECONDS = 5.0
"""A stretch that is reported while it lasts: it may never end."""
BREAK_SECONDS = 30.0
"""A stretch that is broken off; before the leases of everybody else on the loop are over."""
WATCHED_ADVANCES = 20
"""The first advances of each journey whose own calls are looked at; later only one in a thousand,
because looking takes several times as long as a replay."""
_ONE_IN = 1000


class StuckJourney(HogsendError):
    """The function ran for half a minute without awaiting anything and was interrupted."""

    default_code = "stuck_journey"

    def __init__(self, message: str = "the journey blocked the worker and was interrupted") -> None:
        super().__init__(
            message, hint="await a pause of ctx inside a loop, asyncio.to_thread for slow work"
        )


class Notice(Protocol):
    """Stands around the turns of one advance."""

    def begin(self) -> None:
        """A turn begins."""

    def end(self) -> None:
        """The turn is over."""


class _Unwatched:
    def begin(self) -> None:
        pass

    def end(self) -> None:
        pass


_UNWATCHED = _Unwatched()


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
    in C (``time.sleep``) is interrupted when it returns. Some advances are watched for clocks and
    random numbers when ``looks_closely``.
    """

    def __init__(
        self,
        *,
        stuck_seconds: float = STUCK_SECONDS,
        break_seconds: float = BREAK_SECONDS,
        looks_closely: bool = False,
    ) -> None:
        self._stuck = stuck_seconds
        self._break = break_seconds
        self._looks_closely = looks_closely
        self._turn: _Turn | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._advances: Counter[str] = Counter()
        self._told: set[tuple[str, str, str]] = set()

    def start(self) -> None:
        """Begin to look out for stuck code."""
        self._thread = threading.Thread(target=self._run, name="loop-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; idempotent."""
        self._stopping.set()

    def notice(self, definition: JourneyDefinition, *, is_allowed: Callable[[], bool]) -> Notice:
        """What stands around the turns of one advance: something that looks, now and then."""
        if not self._looks_closely:
            return _UNWATCHED
        journey = definition.meta.id
        self._advances[journey] += 1
        count = self._advances[journey]
        if count > WATCHED_ADVANCES and count % _ONE_IN:
            return _UNWATCHED
        return TurnWatch(definition.place.rpartition(":")[0], is_allowed=is_allowed)

    def tell(self, definition: JourneyDefinition, notice: Notice) -> None:
        """Log what was noticed in an advance, every place once."""
        if not isinstance(notice, TurnWatch):
            return
        for problem in notice.problems.values():
            self._tell(definition.meta.id, problem)

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
            if turn.broken_at is not None:
                _interrupt(turn.thread, None)  # too late: the function came back by itself
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
            _interrupt(turn.thread, StuckJourney)
        structlog.get_logger().error(
            "journey.was_interrupted", journey=turn.definition.meta.id, place=_where(turn)
        )

    def _tell(self, journey: str, problem: ReplayProblem) -> None:
        key = (journey, problem.kind, problem.place)
        if key in self._told:
            return
        self._told.add(key)
        structlog.get_logger().warning(
            "journey.cannot_be_replayed",
            journey=journey,
            place=problem.place,
            kind=problem.kind,
            error=problem.message,
        )

    def _run(self) -> None:
        while not self._stopping.wait(min(self._stuck, self._break) / 5):
            self.check()


def _interrupt(thread: int, error: type[BaseException] | None) -> None:
    """Raise in another thread at its next line of Python; None takes that back."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def _where(turn: _Turn) -> str:
    """The line of the journey's own file that is running, else where the journey begins."""
    frame = sys._current_frames().get(turn.thread)
    home = turn.definition.place.rpartition(":")[0]
    own = [f for f in traceback.extract_stack(frame) if f.filename == home] if frame else []
    return f"{home}:{own[-1].lineno}" if own else turn.definition.place
