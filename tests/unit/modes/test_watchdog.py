"""When the watchdog fires, and what it does then."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from hogsend.modes import watchdog as module
from hogsend.modes.watchdog import Watchdog
from hogsend.orchestrator.port import RunRequest, ServeEnd, ServeHooks, Task
from tests.waiting import wait_until


@dataclass
class Engine:
    """An orchestrator of which only health and the stop request matter."""

    healthy: bool = True
    looks: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    name: str = "fake"
    address: str = "nowhere"

    def is_healthy(self) -> bool:
        self.looks += 1
        return self.healthy

    def request_stop(self) -> None:
        self.stopped.set()

    def submit(self, runs: Sequence[RunRequest]) -> None:
        raise AssertionError

    def serve(self, tasks: Sequence[Task], hooks: ServeHooks) -> ServeEnd:
        raise AssertionError

    def close(self) -> None:
        pass


@dataclass
class Part:
    """A background thread of the worker."""

    is_alive: bool = True


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.05)


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Codes of forced exits, which do not happen here."""
    codes: list[int] = []
    monkeypatch.setattr("hogsend.modes.watchdog.os._exit", codes.append)
    return codes


def start(engine: Engine, *parts: Part, limit: float = 60, drain: float = 60) -> Watchdog:
    dog = Watchdog(engine, threads=parts, limit_seconds=limit, drain_seconds=drain)
    dog.start()
    return dog


def test_watchdog_all_is_well_stays_quiet(exits: list[int]) -> None:
    engine = Engine()
    dog = start(engine, Part(), limit=0.02)

    time.sleep(0.1)
    dog.stop()

    assert not dog.has_fired
    assert not engine.stopped.is_set()
    assert exits == []


def test_watchdog_thread_died_asks_for_a_drain(exits: list[int]) -> None:
    engine, part = Engine(), Part()
    dog = start(engine, Part(), part)

    part.is_alive = False

    assert engine.stopped.wait(5)
    assert dog.has_fired
    dog.stop()
    time.sleep(0.1)
    assert exits == []


def test_watchdog_engine_is_away_too_long_asks_for_a_drain(exits: list[int]) -> None:
    engine = Engine(healthy=False)

    dog = start(engine, Part(), limit=0.05)

    assert engine.stopped.wait(5)
    assert dog.has_fired
    dog.stop()


def test_watchdog_engine_comes_back_in_time_is_forgiven(
    exits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    engine = Engine(healthy=False)
    dog = start(engine, Part(), limit=10)

    def look_at(moment: float, *, healthy: bool) -> None:
        engine.healthy = healthy
        now[0] = moment
        seen = engine.looks
        wait_until(lambda: engine.looks >= seen + 2 or dog.has_fired)

    look_at(9, healthy=False)
    look_at(9, healthy=True)
    look_at(18, healthy=False)  # nine seconds since it was well
    assert not engine.stopped.is_set()

    look_at(40, healthy=False)

    assert engine.stopped.wait(20)
    dog.stop()


def test_watchdog_drain_does_not_end_forces_the_exit(exits: list[int]) -> None:
    engine = Engine(healthy=False)

    start(engine, Part(), limit=0.02, drain=0.05)

    wait_until(lambda: exits == [1])
