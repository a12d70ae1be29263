"""When the banner may be shown."""

from __future__ import annotations

from hogsend.modes import api, worker
from hogsend.supervise.ready import ReadyWatch


class _Counter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def test_ready_watch_waits_for_every_process_and_calls_once() -> None:
    on_ready = _Counter()
    watch = ReadyWatch(["worker", "api-1", "api-2"], is_quiet=False, on_ready=on_ready)
    api_line, worker_line = api.READY.encode(), worker.READY.encode()

    watch.on_line("api-1", api_line)
    watch.on_line("api-1", api_line)
    watch.on_line("worker", b"[info] " + worker_line)
    assert on_ready.calls == 0
    watch.on_line("api-2", api_line)
    watch.on_line("api-2", api_line)

    assert on_ready.calls == 1


def test_ready_watch_ignores_what_others_print() -> None:
    on_ready = _Counter()
    watch = ReadyWatch(["worker"], is_quiet=False, on_ready=on_ready)

    watch.on_line("postgres", worker.READY.encode())
    watch.on_line("worker", b"Hogsend worker starting")
    watch.on_running("worker")

    assert on_ready.calls == 0


def test_ready_watch_with_quiet_logs_believes_supervisord() -> None:
    on_ready = _Counter()
    watch = ReadyWatch(["worker"], is_quiet=True, on_ready=on_ready)

    watch.on_running("worker")

    assert on_ready.calls == 1
