"""A PostgreSQL server that a test may stop, kill and start again."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from hogsend.embedded import PostgresServer

_READY_SECONDS = 60


class OwnPostgres:
    """A PostgreSQL server of its own that can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self._server = PostgresServer.prepare(directory)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._server.dsn

    def start(self) -> None:
        """Start it unless it runs; returns when it answers."""
        if self._process is not None:
            return
        user, group = self._server.run_as or (None, None)
        self._process = subprocess.Popen(
            self._server.command(),
            user=user,
            group=group,
            extra_groups=None if group is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        self._server.wait_ready(_READY_SECONDS)
        self._server.ensure_database()
        self.url = self._server.dsn

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is a fast, SIGQUIT an immediate shutdown."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=_READY_SECONDS)
        self._process = None
