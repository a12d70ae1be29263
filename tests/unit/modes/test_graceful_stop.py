"""In which order an api goes out of service."""

from __future__ import annotations

import threading

from hogsend.modes.graceful_stop import GracefulStop


class Recorder:
    """Server and health in one: what was asked of them, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.stopped = threading.Event()

    def announce_stop(self) -> None:
        self.calls.append("announce")

    def stop(self) -> None:
        self.calls.append("stop")
        self.stopped.set()

    def start_draining(self) -> None:
        self.calls.append("not ready")


class Ticks:
    """A monotonic clock set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_stop_without_drain_closes_at_once_but_is_not_ready_first() -> None:
    parts = Recorder()

    GracefulStop(parts, parts, drain_seconds=0).request("SIGTERM")

    assert parts.calls == ["not ready", "stop"]


def test_stop_with_drain_closes_after_it() -> None:
    parts = Recorder()
    stop = GracefulStop(parts, parts, drain_seconds=0.05)

    stop.request("SIGTERM")

    assert parts.calls == ["not ready", "announce"]
    assert parts.stopped.wait(5)
    assert stop.reason == "SIGTERM"


def test_stop_second_signal_ends_the_drain_unless_it_is_the_same_one_passed_on() -> None:
    parts, ticks = Recorder(), Ticks()
    stop = GracefulStop(parts, parts, drain_seconds=60, ticks=ticks)
    stop.request("SIGTERM")

    ticks.now += 0.2
    stop.request("SIGTERM")
    passed_on = list(parts.calls)
    ticks.now += 2
    stop.request("SIGINT")

    assert passed_on == ["not ready", "announce"]
    assert parts.calls == ["not ready", "announce", "stop"]
