"""The loop that waits for sockets: each turn looks only at connections that changed.

waitress asks every connection what it waits for before every wait and wakes the loop after every
answer. With 64 connections that was a third of the server's time.
"""

from __future__ import annotations

import select
import time
from collections import deque
from contextlib import suppress
from typing import Any

from waitress import wasyncore

_READ = select.POLLIN | select.POLLPRI
_REFRESH_SECONDS = 1.0


class SocketMap(dict[int, Any]):
    """What waitress keeps its sockets in; tells the loop about newcomers and leavers."""

    def __init__(self, loop: SocketLoop) -> None:
        super().__init__()
        self._loop = loop

    def __setitem__(self, fd: int, watched: Any) -> None:
        super().__setitem__(fd, watched)
        self._loop.note(fd)

    def __delitem__(self, fd: int) -> None:
        super().__delitem__(fd)
        self._loop.forget(fd)


class SocketLoop:
    """Waits for the sockets of ``map``; ``note`` may be called from any thread."""

    def __init__(self) -> None:
        self.map = SocketMap(self)
        self._poll = select.poll()
        self._flags: dict[int, int] = {}
        self._noted: deque[int] = deque()
        self._refresh_at = 0.0

    def note(self, fd: int) -> None:
        """What this socket waits for may have changed."""
        self._noted.append(fd)

    def forget(self, fd: int) -> None:
        """The socket is closed; its number may belong to another one soon."""
        self._flags.pop(fd, None)
        with suppress(KeyError):
            self._poll.unregister(fd)

    def turn(self, seconds: float) -> None:
        """Wait at most so long for anything to happen, and let its owner handle it.

        Everybody is looked at once a second, which is also when waitress tidies up: a change
        that nobody noted is late, not lost.
        """
        now = time.monotonic()
        if now >= self._refresh_at:
            self._refresh_at = now + _REFRESH_SECONDS
            self._noted.extend(list(self.map))
        while self._noted:
            self._look(self._noted.popleft())
        for fd, flags in self._poll.poll(seconds * 1000):
            watched = self.map.get(fd)
            if watched is None:
                self.forget(fd)  # a thread closed it while we looked
            else:
                wasyncore.readwrite(watched, flags)
                self.note(fd)

    def _look(self, fd: int) -> None:
        watched = self.map.get(fd)
        if watched is None:
            return
        flags = _READ if watched.readable() else 0
        if watched.writable() and not watched.accepting:
            flags |= select.POLLOUT
        if flags == self._flags.get(fd, 0):
            return
        self._flags[fd] = flags
        if flags:
            self._poll.register(fd, flags)
        else:
            with suppress(KeyError):  # a thread closed it just now
                self._poll.unregister(fd)
