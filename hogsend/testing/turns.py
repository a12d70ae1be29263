"""Stands around a journey's coroutine and notices every stretch in which it runs."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

from hogsend.journeys.runtime.signals import JourneyError

LONGEST_TURN_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.1

TurnWatcher = Callable[[], AbstractContextManager[None]]


class EndlessLoop(JourneyError):
    """The function ran for seconds without awaiting anything."""

    def __init__(
        self, message: str = "the journey does not stop: a loop in it never waits"
    ) -> None:
        super().__init__(message, hint="await a pause of ctx inside the loop, or end it")


class WatchedCoroutine:
    """Looks like the coroutine it holds; each turn happens inside ``watch()``.

    ``on_return`` is called when the function returns, not when it raises.
    """

    def __init__(
        self,
        coroutine: Any,
        watch: TurnWatcher,
        closing: TurnWatcher,
        on_return: Callable[[], None] = lambda: None,
    ) -> None:
        self._coroutine = coroutine
        self._watch = watch
        self._closing = closing
        self._on_return = on_return

    def send(self, value: object) -> object:
        """One turn."""
        return self._turn(lambda: self._coroutine.send(value))

    def throw(self, error: BaseException) -> object:
        """One turn that begins with an exception."""
        return self._turn(lambda: self._coroutine.throw(error))

    def close(self) -> None:
        """The last turn: ``finally`` blocks run."""
        with self._closing():
            self._coroutine.close()

    def _turn(self, turn: Callable[[], object]) -> object:
        try:
            with self._watch():
                return turn()
        except StopIteration:
            self._on_return()
            raise


class LoopBreaker:
    """Raises EndlessLoop inside a turn that takes longer than ``limit`` seconds.

    A thread of its own watches; it starts with the first turn. Code in C (``time.sleep``) is
    interrupted when it returns.
    """

    def __init__(self, limit: float = LONGEST_TURN_SECONDS) -> None:
        self._limit = limit
        self._began: float | None = None
        self._thread_id = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.stuck_at: str | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around one turn."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="turn-watch", daemon=True)
            self._thread.start()
        self._thread_id = threading.get_ident()
        self._began = time.monotonic()
        try:
            yield
        finally:
            self._began = None

    def close(self) -> None:
        """Stop the thread; idempotent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_SECONDS):
            began = self._began
            if began is not None and time.monotonic() - began > self._limit:
                self.stuck_at = place_of_frame(sys._current_frames().get(self._thread_id))
                self._began = time.monotonic()  # once more if the function swallows it
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread_id), ctypes.py_object(EndlessLoop)
                )


def place_of_frame(frame: FrameType | None) -> str | None:
    """``file:line`` of a frame."""
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
