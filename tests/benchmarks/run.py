"""``make bench``: measures, prints one line per result, judges nothing."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks import (
    bench_email,
    bench_identity,
    bench_ingest,
    bench_journeys,
    bench_operators,
    bench_start,
    bench_tracking,
)
from tests.benchmarks.report import Result, machine, write_json
from tests.benchmarks.stack import Stack, running_stack

_BENCHES: Mapping[str, Callable[[Stack], Iterator[Result]]] = {
    "email": bench_email.run,
    "identity": bench_identity.run,
    "ingest": bench_ingest.run,
    "journeys": bench_journeys.run,
    "operators": bench_operators.run,
    "start": bench_start.run,
    "tracking": bench_tracking.run,
}


def main() -> int:
    """Run the named benches, or all."""
    parser = argparse.ArgumentParser(description="Measure Hogsend on this machine")
    parser.add_argument("benches", nargs="*", choices=[*_BENCHES, []], help="default: all")
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("bench-results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json",
        help="where the results are kept",
    )
    parser.add_argument(
        "--waiting", type=int, default=100_000, help="people who wait in the bench journeys"
    )
    parser.add_argument("--large", action="store_true", help="also the cases that take minutes")
    args = parser.parse_args()
    os.environ["HOGSEND_BENCH_WAITING"] = str(args.waiting)
    print(json.dumps(machine()), flush=True)
    results: list[Result] = []
    with running_stack(is_large=args.large) as stack:
        for name in args.benches or _BENCHES:
            for result in _BENCHES[name](stack):
                print(result.line(), flush=True)
                results.append(result)
                write_json(args.json, results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
