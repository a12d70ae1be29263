"""Rewriting links in one process; the click and open routes over HTTP, fsync on."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from uuid import uuid4

from hogsend.db import Query
from hogsend.kernel.ids import uuid7
from hogsend.tracking.rewrite import LinkRewriter
from tests.acceptance.engines import LocalEngine
from tests.acceptance.instance import Instance
from tests.benchmarks import loadgen
from tests.benchmarks.report import Result, resident_mb
from tests.benchmarks.stack import Stack, transactions

_SECONDS = float(os.environ.get("HOGSEND_BENCH_SECONDS", "8"))
_SENDS = 2000
_LINKS = 12
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
_MAKE_SENDS = """
INSERT INTO email_sends (id, user_id, template_key, from_email, to_email, intended_to, subject,
                         status, sent_at)
SELECT value::uuid, 'bench', 'bench', 'a@x.test', 'b@x.test', 'b@x.test', 's', 'sent', now()
FROM jsonb_array_elements_text(CAST(:ids AS jsonb))
"""
_MAKE_LINKS = """
INSERT INTO tracked_links (id, email_send_id, position, original_url)
SELECT id, id, 0, 'https://example.com/?utm_source=bench&utm_campaign=tracking'
FROM email_sends
"""


def run(stack: Stack) -> Iterator[Result]:
    """One core of rewriting, then each route with few and with many connections."""
    yield _measure_rewriting()
    with stack.instance(LocalEngine(namespace="")) as instance:
        api = instance.start_api()
        ids = [str(uuid7()) for _ in range(_SENDS)]
        instance.database.run(Query.parse("sends", _MAKE_SENDS), ids=ids)
        instance.database.run(Query.parse("links", _MAKE_LINKS))
        (instance.directory / "ids.json").write_text(json.dumps(ids))
        for name, path in (("click", "/v1/t/c/"), ("open", "/v1/t/o/")):
            _load(instance, path, connections=8, seconds=1.5)  # warm
            for connections in (1, 32):
                before = transactions(instance)
                result = _load(instance, path, connections=connections, seconds=_SECONDS)
                time.sleep(1.5)  # backends report their commits once a second
                committed = transactions(instance) - before
                yield Result(
                    name=f"{name}, {connections} connections",
                    per_second=result["per_second"],
                    p50_ms=result["p50_ms"],
                    p99_ms=result["p99_ms"],
                    statements=committed / max(1, result["requests"]),
                    memory_mb={"api": resident_mb(api.pid)},
                    notes={"errors": int(result["errors"])},
                )


def _measure_rewriting() -> Result:
    """A mail of 10 KB with a dozen links, again and again."""
    row = '<tr><td style=\'padding:8px\'>{0}</td><td><a class="b" href="{1}">go</a></td></tr>'
    filler = "Lorem ipsum dolor sit amet. " * 25
    html = "<html><body><table>" + "".join(
        row.format(filler, f"https://example.com/{n}?a=1&amp;b={n}") for n in range(_LINKS)
    )
    html += "</table></body></html>"
    rewriter = LinkRewriter("https://mail.example.com")
    latencies: list[float] = []
    stop_at = time.perf_counter() + min(_SECONDS, 3)
    while time.perf_counter() < stop_at:
        started = time.perf_counter()
        assert len(rewriter.rewrite(html, send_id=uuid4()).links) == _LINKS
        latencies.append(time.perf_counter() - started)
    return Result(
        name=f"rewrite, {len(html) // 1024} KB, {_LINKS} links",
        per_second=len(latencies) * _LINKS / sum(latencies),
        p50_ms=loadgen.percentile(latencies, 0.5) * 1000,
        p99_ms=loadgen.percentile(latencies, 0.99) * 1000,
        notes={"unit": "links", "mails_per_second": round(len(latencies) / sum(latencies))},
    )


def _load(instance: Instance, path: str, *, connections: int, seconds: float) -> dict[str, float]:
    """Run the client as a process of its own."""
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.benchmarks.bench_tracking",
            f"--port={instance.port}",
            f"--path={path}",
            f"--ids={instance.directory / 'ids.json'}",
            f"--connections={connections}",
            f"--seconds={seconds}",
        ],
        check=True,
        capture_output=True,
    )
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def main() -> int:
    """The client: print one JSON object with the result."""
    parser = argparse.ArgumentParser(description="Load the tracking routes")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--ids", required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    with open(args.ids, encoding="utf-8") as file:
        ids: list[str] = json.load(file)

    def make(n: int) -> bytes:
        path = f"{args.path}{ids[n % len(ids)]}"
        return f"GET {path} HTTP/1.1\r\nHost: x.test\r\nUser-Agent: {_AGENT}\r\n\r\n".encode()

    result = asyncio.run(
        loadgen.run(
            "127.0.0.1", args.port, make, connections=args.connections, seconds=args.seconds
        )
    )
    json.dump(asdict(result), sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
