"""Knows when api and worker are up, from their own ready lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable

# Markers of the contract; hogsend.modes.api and worker log them.
_MARKERS = (b"Hogsend API ready", b"Hogsend worker ready")


class ReadyWatch:
    """Calls ``on_ready`` once, when every awaited process has said that it is ready.

    With ``is_quiet`` (LOG_LEVEL hides the ready lines) a process counts as ready when it has
    stayed up for supervisord's ``startsecs``.
    """

    def __init__(
        self, processes: Iterable[str], *, is_quiet: bool, on_ready: Callable[[], None]
    ) -> None:
        self._awaited = set(processes)
        self._is_quiet = is_quiet
        self._on_ready = on_ready

    def on_line(self, process: str, line: bytes) -> None:
        """A process logged something."""
        if process in self._awaited and any(marker in line for marker in _MARKERS):
            self._done(process)

    def on_running(self, process: str) -> None:
        """A process has stayed up."""
        if self._is_quiet and process in self._awaited:
            self._done(process)

    def _done(self, process: str) -> None:
        self._awaited.discard(process)
        if not self._awaited:
            self._on_ready()
