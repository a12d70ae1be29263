from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from hogsend.db import Query
from hogsend.db.errors import DatabaseUnavailable
from hogsend.journeys.timer import Timer
from hogsend.kernel.clock import SystemClock


class Waits:
    """Answers the timer's query from a script; then nothing is due."""

    def __init__(self, *script: tuple[int, float | None] | Exception) -> None:
        self.script = list(script)
        self.asked: list[float] = []
        self.was_asked = threading.Event()

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        self.asked.append(time.monotonic())
        self.was_asked.set()
        answer = self.script.pop(0) if self.script else (0, None)
        if isinstance(answer, Exception):
            raise answer
        return [answer]


@pytest.mark.parametrize(
    ("answer", "nap", "pokes"),
    [
        ((0, None), 1.0, 0),
        ((0, 0.3), 0.3, 0),
        ((3, 50.0), 1.0, 1),
        ((5, 0.5), 0.0, 1),  # a full bulk: there may be more
        ((0, -2.0), 0.01, 0),  # due, but somebody else is at it
    ],
)
def test_move_due_says_when_to_look_again(
    answer: tuple[int, float | None], nap: float, pokes: int
) -> None:
    told: list[int] = []
    timer = Timer(Waits(answer), poke=lambda: told.append(1), clock=SystemClock(), limit=5)

    assert timer.move_due() == nap
    assert len(told) == pokes


def test_thread_does_not_sleep_past_a_wait_it_was_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hogsend.journeys.timer._LONGEST_NAP_SECONDS", 600)
    waits, clock = Waits(), SystemClock()
    timer = Timer(waits, poke=lambda: None, clock=clock)
    timer.start()
    try:
        assert waits.was_asked.wait(5)
        waits.was_asked.clear()
        timer.expect(clock.now() + timedelta(seconds=0.1))

        assert waits.was_asked.wait(30)
        assert waits.asked[1] - waits.asked[0] >= 0.09
    finally:
        timer.stop()
    assert not timer.is_alive


def test_thread_survives_a_database_that_is_away() -> None:
    waits = Waits(DatabaseUnavailable("gone"), (0, None))
    timer = Timer(waits, poke=lambda: None, clock=SystemClock())
    timer.start()
    try:
        deadline = time.monotonic() + 5
        while len(waits.asked) < 2 and time.monotonic() < deadline:
            waits.was_asked.wait(0.1)
            waits.was_asked.clear()
    finally:
        timer.stop()

    assert len(waits.asked) >= 2
