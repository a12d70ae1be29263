"""A small keep-alive HTTP load generator: fixed connections, closed loop, exact latencies.

It shares the machine with what it measures, so its own cost lowers the numbers; it runs as a
process of its own and reports its CPU seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """Outcome of one run; latencies in milliseconds."""

    requests: int
    errors: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    client_cpu_seconds: float


class _Connection(asyncio.Protocol):
    """One connection that always has exactly one request in flight."""

    def __init__(
        self, next_request: Callable[[], bytes | None], done: asyncio.Future[None]
    ) -> None:
        self._next = next_request
        self._done = done
        self._buffer = b""
        self.latencies: list[float] = []
        self.errors = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._next()
        if request is None:
            self._transport.close()
            return
        self._started = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self.latencies.append(time.perf_counter() - self._started)
        if not head.startswith((b"HTTP/1.1 20", b"HTTP/1.0 20", b"HTTP/1.1 30")):
            self.errors += 1
        self._buffer = body[length:]
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.errors += 1
        if not self._done.done():
            self._done.set_result(None)


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile of unsorted values; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


async def run(
    host: str,
    port: int,
    make_request: Callable[[int], bytes],
    *,
    connections: int,
    seconds: float,
) -> LoadResult:
    """Send as fast as answers come back, for so many seconds."""
    loop = asyncio.get_running_loop()
    stop_at = time.perf_counter() + seconds
    count = 0

    def next_request() -> bytes | None:
        nonlocal count
        if time.perf_counter() >= stop_at:
            return None
        count += 1
        return make_request(count)

    started = time.perf_counter()
    protocols: list[_Connection] = []
    waits: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        _, protocol = await loop.create_connection(
            lambda done=done: _Connection(next_request, done),  # type: ignore[misc]
            host,
            port,
        )
        protocols.append(protocol)
        waits.append(done)
    await asyncio.gather(*waits)
    elapsed = time.perf_counter() - started
    latencies = [x for p in protocols for x in p.latencies]
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return LoadResult(
        requests=len(latencies),
        errors=sum(p.errors for p in protocols),
        seconds=elapsed,
        per_second=len(latencies) / elapsed,
        p50_ms=percentile(latencies, 0.50) * 1000,
        p99_ms=percentile(latencies, 0.99) * 1000,
        client_cpu_seconds=usage.ru_utime + usage.ru_stime,
    )


def event_request(host: str, key: str, people: int, batch: int) -> Callable[[int], bytes]:
    """Requests that ingest events of known contacts, one or ``batch`` at a time."""
    path = "/v1/events" if batch == 1 else "/v1/events/batch"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()

    def event(n: int) -> dict[str, object]:
        return {
            "name": "bench.seen",
            "userId": f"bench-{n % people}",
            "eventProperties": {"page": "/pricing", "n": n, "plan": "pro", "seats": 7},
        }

    def make(n: int) -> bytes:
        value: object = event(n)
        if batch > 1:
            value = {"events": [event(n * batch + i) for i in range(batch)]}
        body = json.dumps(value).encode()
        return head + str(len(body)).encode() + b"\r\n\r\n" + body

    return make


def main() -> int:
    """Print one JSON object with the result."""
    parser = argparse.ArgumentParser(description="Load an API with events")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=1)
    args = parser.parse_args()
    make = event_request(args.host, args.key, args.people, args.batch)
    result = asyncio.run(
        run(args.host, args.port, make, connections=args.connections, seconds=args.seconds)
    )
    json.dump(asdict(result), sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
