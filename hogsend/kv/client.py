"""One Redis client per process: connects on first use, gives up fast, never for good."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hogsend.errors import HogsendError

if TYPE_CHECKING:
    import redis

ResultT = TypeVar("ResultT")

_TIMEOUT_SECONDS = 1.0
_CONNECT_SECONDS = 1.0
# After a failure nobody waits for Redis again until this has passed.
_PAUSE_SECONDS = 1.0
_HEALTH_CHECK_SECONDS = 15


class KvUnavailable(HogsendError):
    """Redis did not answer. Callers go on without it."""

    default_code = "kv_unavailable"


class Kv:
    """Redis at ``url``; every operation raises KvUnavailable instead of the driver's errors.

    Thread-safe; opens nothing before the first operation. After a failure operations fail at once
    for a second, so an outage costs requests nothing. ``prefix`` is put before every key.
    """

    def __init__(
        self, url: str, *, prefix: str = "", ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._prefix = prefix
        self._ticks = ticks
        self._client: redis.Redis | None = None
        self._blocked_until = 0.0
        self._lock = threading.Lock()

    def ping(self) -> None:
        """Raise KvUnavailable unless Redis answers now, even shortly after a failure."""
        self._attempt(lambda client: client.ping())

    def get(self, key: str) -> str | None:
        """The text stored under ``key``."""
        return cast("str | None", self._call(lambda client: client.get(self.key(key))))

    def put(self, key: str, value: str, *, ttl_seconds: int, only_new: bool = False) -> bool:
        """Store text for a while; with ``only_new`` False means somebody was first."""
        stored = self._call(
            lambda client: client.set(self.key(key), value, ex=ttl_seconds, nx=only_new)
        )
        return bool(stored)

    def delete(self, key: str) -> None:
        """Forget ``key``."""
        self._call(lambda client: client.delete(self.key(key)))

    def run_script(self, script: str, *, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run a Lua script (loaded once per server, then by hash)."""

        def call(client: redis.Redis) -> Any:
            registered = client.register_script(script)
            return registered(keys=[self.key(key) for key in keys], args=list(args))

        return self._call(call)

    def key(self, name: str) -> str:
        """``name`` as it is written in Redis."""
        return self._prefix + name

    def close(self) -> None:
        """Drop the connections; a later operation opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _call(self, operation: Callable[[redis.Redis], ResultT]) -> ResultT:
        if self._ticks() < self._blocked_until:
            raise KvUnavailable("Redis did not answer a moment ago")
        return self._attempt(operation)

    def _attempt(self, operation: Callable[[redis.Redis], ResultT]) -> ResultT:
        import redis.exceptions

        try:
            result = operation(self._connected())
        except (redis.exceptions.RedisError, OSError, ValueError) as error:
            self._blocked_until = self._ticks() + _PAUSE_SECONDS
            raise KvUnavailable("Redis does not answer", context={"cause": str(error)}) from error
        self._blocked_until = 0.0
        return result

    def _connected(self) -> redis.Redis:
        with self._lock:
            if self._client is None:
                # Costs 6 MB: only processes that use Redis pay.
                import redis
                from redis.backoff import NoBackoff
                from redis.retry import Retry

                self._client = redis.Redis.from_url(
                    self._url,
                    decode_responses=True,
                    socket_timeout=_TIMEOUT_SECONDS,
                    socket_connect_timeout=_CONNECT_SECONDS,
                    # One retry opens a new connection after the server closed an idle one.
                    retry=Retry(NoBackoff(), 1),
                    health_check_interval=_HEALTH_CHECK_SECONDS,
                )
            return self._client
