"""One HTTP client per process: pooled, with timeouts, honest about what was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend.errors import HogsendError

if TYPE_CHECKING:
    import urllib3


class NotSent(HogsendError):
    """The request never left: name not found, connection refused, TLS handshake failed."""

    default_code = "http_not_sent"


class AnswerLost(HogsendError):
    """The request left, wholly or in part, and no complete answer came back."""

    default_code = "http_answer_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """``ca_file`` replaces the system's certificate authorities; ``pool_size`` is per host."""

    connect_timeout: timedelta = timedelta(seconds=5)
    read_timeout: timedelta = timedelta(seconds=20)
    ca_file: str | None = None
    pool_size: int = 16
    user_agent: str = "hogsend-python"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A complete answer; header names are lower-cased. ``cookies`` are the ``Set-Cookie`` headers,
    the only ones that may come more than once and cannot be joined."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Sequence[str] = ()


class HttpClient:
    """Thread-safe; the pool is built on first use. Neither retries nor follows redirects."""

    def __init__(self, options: HttpOptions | None = None) -> None:
        self._options = options or HttpOptions()
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpResponse:
        """Send once and read the whole answer; raises NotSent or AnswerLost."""
        import urllib3

        outgoing = _Outgoing(body)
        try:
            answer = self._open_pool().request(
                method,
                url,
                body=outgoing,
                headers={
                    "user-agent": self._options.user_agent,
                    **headers,
                    "content-length": str(len(body)),
                },
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _classify(error, url=url, has_left=outgoing.has_left) from error
        return HttpResponse(
            status=answer.status,
            body=answer.data,
            headers={name.lower(): value for name, value in answer.headers.items()},
            cookies=answer.headers.getlist("set-cookie"),
        )

    def close(self) -> None:
        """Close pooled connections; a later request opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    def _open_pool(self) -> urllib3.PoolManager:
        import urllib3

        with self._lock:
            if self._pool is None:
                self._pool = urllib3.PoolManager(
                    num_pools=8,
                    maxsize=self._options.pool_size,
                    timeout=urllib3.Timeout(
                        connect=self._options.connect_timeout.total_seconds(),
                        read=self._options.read_timeout.total_seconds(),
                    ),
                    ca_certs=self._options.ca_file,
                )
            return self._pool


class _Outgoing:
    """A body that knows whether anybody began to read it.

    urllib3 reads the body only after the connection stands and the head is written, which is
    the one reliable line between "never sent" and "perhaps received".
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.has_left = False

    def __iter__(self) -> Iterator[bytes]:
        self.has_left = True
        yield self._body


def _classify(error: Exception, *, url: str, has_left: bool) -> HogsendError:
    where = url.split("?", 1)[0]
    if has_left:
        return AnswerLost(f"no answer from {where}: {_reason(error)}", context={"url": where})
    return NotSent(f"cannot reach {where}: {_reason(error)}", context={"url": where})


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
