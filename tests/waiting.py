"""Waiting for what happens soon, and longer on a slow machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

PATIENCE = float(os.environ.get("HOGSEND_TEST_PATIENCE", "1"))
"""Every deadline of a test is multiplied by this."""


def wait_until(
    condition: Callable[[], bool],
    *,
    seconds: float = 20,
    what: str | Callable[[], str] = "what the test waits for",
    every: float = 0.02,
) -> None:
    """Poll until the condition holds; fails the test with ``what`` at the deadline."""
    deadline = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(every)
    missing = what if isinstance(what, str) else what()
    raise AssertionError(f"not within {seconds} s: {missing}")
