"""What the supervisor needs of the C library and Python does not offer."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: afterwards there is no time for a dynamic linker.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with(parent: int, number: int) -> None:
    """Send this process ``number`` when ``parent`` dies. Linux only; elsewhere nothing happens.

    Programs must not outlive a killed supervisor: the next one needs their port and their data.
    For a child between fork and exec, after it has changed its user: that clears the wish.
    """
    if _LIBC is None:
        return
    if _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        # It died before we asked.
        os._exit(1)


def release_memory() -> None:
    """Give back what reading the archive took: a third of a supervisor that then only waits."""
    gc.collect()
    if _LIBC is not None and hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
