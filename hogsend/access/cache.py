"""API keys in memory, forgotten the moment anybody changes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from hogsend.access import store
from hogsend.access.models import ApiKey
from hogsend.db import Database, Listener, Notification
from hogsend.errors import HogsendError
from hogsend.kernel.clock import Clock

CHANNEL = "hogsend_api_keys"

_TTL_SECONDS = 60.0
_CAPACITY = 10_000
_WAIT_SECONDS = 1.0
_FLUSH_SECONDS = 15.0


class ApiKeyCache:
    """Looks keys up by hash; thread-safe.

    A thread listens for changes (a trigger announces them on ``hogsend_api_keys``). While that
    connection is down nothing is remembered and every lookup asks the database, so a revoked key
    never outlives its revocation. Unknown keys are never remembered. The thread starts with
    the first lookup, after any fork.
    """

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._clock = clock
        self._ticks = ticks
        self._keys: dict[str, tuple[float, ApiKey]] = {}
        self._used: dict[UUID, datetime] = {}
        self._generation = 0
        self._listener: Listener | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def is_listening(self) -> bool:
        """True while changes are being heard, and therefore while keys are remembered."""
        listener = self._listener
        return listener is not None and listener.is_connected

    def find(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, whatever its state; raises DatabaseUnavailable."""
        if self._thread is None:
            self._start()
        entry = self._keys.get(key_hash)
        if entry is not None and entry[0] > self._ticks() and self.is_listening:
            return entry[1]
        generation = self._generation
        key = store.find_api_key(self._db, key_hash)
        if key is not None:
            self._remember(key_hash, key, generation)
        return key

    def mark_used(self, key: ApiKey) -> None:
        """Note a use; written in bulk every few seconds, at most once a minute per key."""
        if key.id not in self._used:
            with self._lock:
                self._used[key.id] = self._clock.now()

    def close(self) -> None:
        """Write what was noted and stop listening."""
        self._stopping.set()
        listener = self._listener
        if listener is not None:
            listener.close()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._flush()

    def _remember(self, key_hash: str, key: ApiKey, generation: int) -> None:
        with self._lock:
            # A change announced since the query may be newer than what the query saw.
            if generation != self._generation or not self.is_listening:
                return
            if len(self._keys) >= _CAPACITY:
                self._keys.clear()
            self._keys[key_hash] = (self._ticks() + _TTL_SECONDS, key)

    def _forget(self, notes: Sequence[Notification]) -> None:
        with self._lock:
            self._generation += 1
            for note in notes:
                self._keys.pop(note.payload, None)

    def _forget_all(self) -> None:
        with self._lock:
            self._generation += 1
            self._keys.clear()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="api-keys", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        flush_at = self._ticks() + _FLUSH_SECONDS
        listener = self._listener = self._db.listener([CHANNEL])
        try:
            while not self._stopping.is_set():
                notes = listener.wait(_WAIT_SECONDS)
                if listener.reconnected or not listener.is_connected:
                    self._forget_all()  # what was announced meanwhile was missed
                if notes:
                    self._forget(notes)
                if self._ticks() >= flush_at:
                    flush_at = self._ticks() + _FLUSH_SECONDS
                    self._flush()
        except Exception:
            # Without this thread every lookup asks the database: slower, still right.
            structlog.get_logger().exception("api_keys.listener_died")
        finally:
            listener.close()

    def _flush(self) -> None:
        with self._lock:
            used, self._used = self._used, {}
        if not used:
            return
        try:
            store.touch_api_keys(self._db, used)
        except HogsendError as error:
            structlog.get_logger().debug("api_keys.touch_failed", error=error.message)
