"""Keeps a worker from sending out of a copy of the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from uuid import UUID

import structlog

from hogsend.db import Database, home
from hogsend.errors import HogsendError

FENCED = "This database is a copy: nothing is sent from it"
ACCEPTED = "This database was accepted as the installation"
_POLL_SECONDS = 1.0
_TELL_SECONDS = 300.0
_HINT = (
    "if it has replaced the original: `hogsend restore confirm`; `hogsend restore status` shows "
    "what would be sent"
)


class Fence:
    """Asked before anything is shipped; one small statement each time.

    A running worker meets a restored database, too: the answer is never remembered.
    """

    def __init__(self, db: Database, *, new_id: Callable[[], UUID]) -> None:
        self._db = db
        self._new_id = new_id
        self._on_moved: Callable[[], None] = lambda: None
        self.has_moved = False

    def watch(self, on_moved: Callable[[], None]) -> None:
        """From now on tell, once, when the database under this process became a copy."""
        self._on_moved = on_moved

    def may_ship(self) -> bool:
        """False on a copy, and while nobody can tell."""
        if self.has_moved:
            return False
        try:
            reason = home.settle(self._db, self._db.options, new_id=self._new_id())
        except HogsendError as error:
            structlog.get_logger().warning("fence.unanswered", error=error.message)
            return False
        if reason is not None:
            self.has_moved = True
            structlog.get_logger().error(FENCED, reason=reason, hint=_HINT)
            self._on_moved()
        return reason is None

    def wait(self, stopping: threading.Event, *, on_copy: Callable[[], None]) -> bool:
        """Return True at home or when the database does not answer, else when it is accepted.

        Says so once and every five minutes; False when ``stopping`` was set first. ``on_copy`` is
        called when there is something to wait for.
        """
        log = structlog.get_logger()
        told_at: float | None = None
        while not stopping.is_set():
            try:
                reason = home.settle(self._db, self._db.options, new_id=self._new_id())
            except HogsendError as error:
                if told_at is None:
                    return True  # may_ship asks again
                reason = f"unknown: {error.message}"
            if reason is None:
                if told_at is not None:
                    log.info(ACCEPTED)
                return True
            if told_at is None:
                on_copy()
            if told_at is None or time.monotonic() - told_at > _TELL_SECONDS:
                log.error(FENCED, reason=reason, hint=_HINT)
                told_at = time.monotonic()
            stopping.wait(_POLL_SECONDS)
        return False
