"""One HTTP conversation: retries that cannot do anything twice, and honest waiting."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import urllib3

from hogsend.client.errors import Unreachable, error_of, retry_after_of

_RETRIED = frozenset({429, 500, 502, 503, 504})
_IN_PROGRESS = "request_in_progress"
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How patient a client is.

    ``attempts`` counts the first one. A ``Retry-After`` above ``max_wait_seconds`` is not waited
    for: the error tells the caller how long it would be.
    """

    timeout_seconds: float = 30.0
    connect_timeout_seconds: float = 5.0
    attempts: int = 4
    max_wait_seconds: float = 30.0
    pool_size: int = 10


class Transport:
    """Sends requests to one server; thread-safe."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        options: Options,
        headers: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._options = options
        self._sleep = sleep
        self._jitter = jitter
        self._headers = {
            "Accept": "application/json",
            "User-Agent": "hogsend-python",
            **headers,
            "Authorization": f"Bearer {api_key}",
        }
        self._pool = urllib3.PoolManager(
            maxsize=options.pool_size,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(
                connect=options.connect_timeout_seconds, read=options.timeout_seconds
            ),
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int | None] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """The decoded answer; raises HogsendClientError.

        Everything is retried: what writes carries an idempotency key (made when none is given),
        so the server does it once however often it is asked.
        """
        url = self._base_url + path
        given = {name: value for name, value in (query or {}).items() if value is not None}
        if given:
            url = f"{url}?{urlencode(given)}"
        headers = dict(self._headers)
        data: bytes | None = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = dump(body)
        if method in ("POST", "PUT"):
            headers["Idempotency-Key"] = idempotency_key or str(uuid4())
        return self._attempt(method, url, headers, data)

    def close(self) -> None:
        """Drop the connections."""
        self._pool.clear()

    def _attempt(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None
    ) -> Any:
        lost = False
        for number in range(1, self._options.attempts + 1):
            is_last = number == self._options.attempts
            try:
                answer = self._pool.request(method, url, headers=dict(headers), body=data)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                lost = True
                if is_last:
                    raise Unreachable(
                        f"{self._base_url} does not answer: {error}",
                        code="unreachable",
                        hint="check the address, and that the api runs",
                    ) from error
                self._sleep(self._pause(number))
                continue
            received = {name.lower(): value for name, value in answer.headers.items()}
            content = _decode(answer.data)
            if answer.status < 400:
                return content
            if method == "DELETE" and answer.status == 404 and lost:
                return {"deleted": True, "removed": True}  # the answer to the first try was lost
            wait = None if is_last else self._wait(answer.status, received, number)
            if wait is None:
                raise error_of(answer.status, received, content)
            self._sleep(wait)
        raise AssertionError("the last attempt answers or raises")

    def _wait(self, status: int, headers: Mapping[str, str], number: int) -> float | None:
        """Seconds until it is worth another try; None when it is not."""
        is_running = status == 409 and headers.get("x-error-code") == _IN_PROGRESS
        if status not in _RETRIED and not is_running:
            return None
        told = retry_after_of(headers)
        if told is None:
            return self._pause(number)
        return told if told <= self._options.max_wait_seconds else None

    def _pause(self, number: int) -> float:
        """Exponential with jitter, so that many clients do not come back together."""
        longest: float = min(_FIRST_PAUSE_SECONDS * 2.0 ** (number - 1), _LONGEST_PAUSE_SECONDS)
        return longest * (0.5 + self._jitter() / 2)


def dump(body: Mapping[str, Any]) -> bytes:
    """Compact JSON; instants, ids and amounts become text and numbers. No NaN."""
    return json.dumps(
        body, default=_plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def iso(instant: datetime) -> str:
    """UTC with ``Z``; raises ValueError for a time without a zone."""
    if instant.tzinfo is None:
        raise ValueError("a time needs a zone: use datetime.now(UTC)")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _decode(data: bytes) -> Any:
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")
