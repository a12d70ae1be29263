"""API keys in memory, forgotten the moment anybody changes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from hogsend.access import store
from hogsend.access.models import ApiKey
from hogsend.db import Database
from hogsend.errors import HogsendError
from hogsend.kernel.clock import Clock

CHANNEL = "hogsend_api_keys"

_TTL_SECONDS = 60.0
_CAPACITY = 10_000
_WAIT_SECONDS = 1.0
_RECONNECT_SECONDS = 1.0
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
        self._used: dict[str, datetime] = {}
        self._generation = 0
        self._is_listening = False
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def is_listening(self) -> bool:
        """True while changes are being heard, and therefore while keys are remembered."""
        return self._is_listening

    def find(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, whatever its state; raises DatabaseUnavailable."""
        if self._thread is None:
            self._start()
        entry = self._keys.get(key_hash)
        if entry is not None and entry[0] > self._ticks():
            return entry[1]
        generation = self._generation
        key = store.find_api_key(self._db, key_hash)
        if key is not None:
            self._remember(key_hash, key, generation)
        return key

    def mark_used(self, key: ApiKey) -> None:
        """Note a use; written in bulk every few seconds, at most once a minute per key."""
        now = self._clock.now()
        with self._lock:
            self._used[str(key.id)] = now

    def close(self) -> None:
        """Write what was noted and stop listening."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._flush()

    def _remember(self, key_hash: str, key: ApiKey, generation: int) -> None:
        with self._lock:
            # A change announced since the query may be newer than what the query saw.
            if not self._is_listening or generation != self._generation:
                return
            if len(self._keys) >= _CAPACITY:
                self._keys.clear()
            self._keys[key_hash] = (self._ticks() + _TTL_SECONDS, key)

    def _forget(self, *key_hashes: str) -> None:
        with self._lock:
            self._generation += 1
            for key_hash in key_hashes:
                self._keys.pop(key_hash, None)

    def _set_listening(self, value: bool) -> None:
        with self._lock:
            self._generation += 1
            self._keys.clear()
            self._is_listening = value

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="api-keys", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except HogsendError as error:
                structlog.get_logger().warning("api_keys.listener_lost", error=error.message)
            except Exception:
                structlog.get_logger().exception("api_keys.listener_lost")
            finally:
                self._set_listening(False)
            self._stopping.wait(_RECONNECT_SECONDS)

    def _listen(self) -> None:
        flush_at = self._ticks() + _FLUSH_SECONDS
        with self._db.listener([CHANNEL]) as listener:
            self._set_listening(True)
            while not self._stopping.is_set():
                heard = listener.wait(_WAIT_SECONDS)
                if heard:
                    self._forget(*(note.payload for note in heard))
                if self._ticks() >= flush_at:
                    flush_at = self._ticks() + _FLUSH_SECONDS
                    self._flush()

    def _flush(self) -> None:
        with self._lock:
            used, self._used = self._used, {}
        if not used:
            return
        try:
            store.touch_api_keys(self._db, used)
        except HogsendError as error:
            structlog.get_logger().debug("api_keys.touch_failed", error=error.message)
