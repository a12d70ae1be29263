"""A stop signal that comes before a mode has handlers of its own."""

from __future__ import annotations

import signal
from types import FrameType


class StoppedEarly(BaseException):
    """Told to stop while nothing was running yet."""


def stop_early() -> None:
    """SIGTERM raises StoppedEarly in the main thread until somebody installs another handler.

    As the first process of a container a signal without a handler is ignored: a process that waits
    for its database would have to be killed.
    """
    signal.signal(signal.SIGTERM, _leave)


def ignore_stop() -> None:
    """The end has come: a further SIGTERM changes nothing, least of all the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _leave(number: int, frame: FrameType | None) -> None:
    raise StoppedEarly
