"""Holds the lock that makes one local worker the only one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol

import structlog

from hogsend.errors import HogsendError

_RELEASE_SECONDS = 5


class Lock(Protocol):
    """A database-wide mutex; calls may block, they run on a thread of their own."""

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it; True when it is ours. May raise HogsendError."""
        ...

    def held(self) -> bool:
        """True while the lock is certainly still ours (looks at the connection)."""
        ...

    def release(self) -> None:
        """Give the lock up; harmless when it is not held."""
        ...


class LockKeeper:
    """Takes the lock, notices its loss, takes it again; its coroutines share one thread."""

    def __init__(self, lock: Lock, *, poll: timedelta) -> None:
        self._lock = lock
        self._poll_seconds = poll.total_seconds()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-lock")
        self._log = structlog.get_logger()
        self.is_held = False

    async def wait_for(self, stop: asyncio.Event) -> bool:
        """Return True with the lock, False when ``stop`` was set first."""
        was_told = False
        while not stop.is_set():
            if await self._ask(self._lock.try_acquire):
                self.is_held = True
                return True
            if not was_told:
                self._log.info("worker.standby_entered", reason="another worker holds the lock")
                was_told = True
            await wait_event(stop, self._poll_seconds)
        return False

    async def watch(self, *, on_lost: Callable[[], None], on_regained: Callable[[], None]) -> None:
        """Tell about every loss and return of the lock; runs until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            if self.is_held and not await self._ask(self._lock.held):
                self.is_held = False
                self._log.error("local_lock.lost")
                on_lost()
            if not self.is_held and await self._ask(self._lock.try_acquire):
                self.is_held = True
                self._log.info("local_lock.regained")
                on_regained()

    def release(self) -> None:
        """Give the lock up; a dead database has done so already."""
        self.is_held = False
        try:
            self._thread.submit(self._lock.release).result(timeout=_RELEASE_SECONDS)
        except Exception as error:  # whatever it is, closing the connection frees the lock
            self._log.warning("local_lock.release_failed", error=repr(error))

    def close(self) -> None:
        """End the thread; idempotent."""
        self._thread.shutdown(wait=False)

    async def _ask(self, question: Callable[[], bool]) -> bool:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, question)
        except HogsendError as error:
            self._log.warning("local_lock.unreachable", error=str(error))
            return False


async def wait_event(event: asyncio.Event, seconds: float) -> bool:
    """True when ``event`` was set within ``seconds``."""
    try:
        await asyncio.wait_for(event.wait(), timeout=seconds)
    except TimeoutError:
        return False
    return True
