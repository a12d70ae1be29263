"""``make bench``: measures, prints one line per result, judges nothing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.benchmarks import bench_ingest, bench_journeys, bench_start
from tests.benchmarks.report import Result, machine, write_json
from tests.benchmarks.stack import Stack, running_stack

_BENCHES: Mapping[str, Callable[[Stack], Iterator[Result]]] = {
    "ingest": bench_ingest.run,
    "journeys": bench_journeys.run,
    "start": bench_start.run,
}


def main() -> int:
    """Run the named benches, or all."""
    parser = argparse.ArgumentParser(description="Measure Hogsend on this machine")
    parser.add_argument("benches", nargs="*", choices=[*_BENCHES, []], help="default: all")
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    results: list[Result] = []
    with running_stack() as stack:
        for name in args.benches or _BENCHES:
            for result in _BENCHES[name](stack):
                print(result.line(), flush=True)
                results.append(result)
    if args.json is not None:
        write_json(args.json, results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
