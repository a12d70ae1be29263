"""Several server processes on one listening socket."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

_POLL_SECONDS = 0.05
_RESTART_SECONDS = 1.0
_KILL_GRACE_SECONDS = 3.0


@dataclass(slots=True, kw_only=True)
class _Child:
    pid: int
    started: float


@dataclass(slots=True, kw_only=True)
class ProcessGroup:
    """Forks ``count`` children that each run ``serve`` and keeps that many alive.

    Must be used before the process starts threads or opens connections. ``serve`` returns the
    exit code of its process and installs its own signal handlers. A child that dies is
    replaced after a second; TERM and INT are passed on, and children that have not
    stopped ``shutdown_seconds`` later are killed.
    """

    count: int
    serve: Callable[[], int]
    shutdown_seconds: float
    _children: dict[int, _Child] = field(default_factory=dict)
    _restart_at: list[float] = field(default_factory=list)
    _is_stopping: bool = False

    def run(self) -> int:
        """Block until told to stop; 0 when every child stopped cleanly, else 1."""
        previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            for _ in range(self.count):
                self._start()
            while not self._is_stopping:
                self._watch()
                time.sleep(_POLL_SECONDS)
            return self._stop()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: object) -> None:
        self._is_stopping = True

    def _start(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            self._children[pid] = _Child(pid=pid, started=time.monotonic())
            return
        code = 1
        try:
            # A signal between fork and the child's own handlers must end it, not the group.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            code = self.serve()
        except BaseException:
            structlog.get_logger().exception("process.crashed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _watch(self) -> None:
        for pid, status in self._reap():
            child = self._children.pop(pid)
            structlog.get_logger().error(
                "process.died",
                pid=pid,
                exit_code=os.waitstatus_to_exitcode(status),
                lived_seconds=round(time.monotonic() - child.started, 1),
            )
            self._restart_at.append(time.monotonic() + _RESTART_SECONDS)
        now = time.monotonic()
        due = [at for at in self._restart_at if at <= now]
        self._restart_at = [at for at in self._restart_at if at > now]
        for _ in due:
            self._start()

    def _reap(self) -> list[tuple[int, int]]:
        ended: list[tuple[int, int]] = []
        for pid in list(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                ended.append((pid, status))
        return ended

    def _stop(self) -> int:
        self._signal_all(signal.SIGTERM)
        is_clean = True
        deadline = time.monotonic() + self.shutdown_seconds + _KILL_GRACE_SECONDS
        while self._children:
            for pid, status in self._reap():
                del self._children[pid]
                # A child that had no handlers yet ends by the signal itself.
                is_clean = is_clean and status in (0, signal.SIGTERM)
            if time.monotonic() > deadline:
                self._signal_all(signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
        return 0 if is_clean else 1

    def _signal_all(self, number: int) -> None:
        for pid in self._children:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
