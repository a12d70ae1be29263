"""Stop signals while an orchestrator serves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals(on_signal: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call ``on_signal``; the handlers found come back afterwards.

    Does nothing off the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        on_signal()

    wanted = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
