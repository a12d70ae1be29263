"""Cold and warm starts of the artefact, and memory of the all-in-one mode."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.instance import free_port, wait_until
from tests.benchmarks.loadgen import percentile
from tests.benchmarks.report import Result, descendants, proportional_mb, resident_mb
from tests.benchmarks.stack import Stack

_PYZ = Path("dist/hogsend.pyz")


def run(stack: Stack) -> Iterator[Result]:
    """``--help`` cold and warm, then supervisor mode until both children are ready."""
    if not _PYZ.exists():
        raise SystemExit("dist/hogsend.pyz is missing; run `make pyz` first")
    root = Path(tempfile.mkdtemp(prefix="hogsend-bench-root-"))
    root.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "HOME": str(root), "SHIV_ROOT": str(root / "shiv")}
    try:
        cold = _help(environ)
        warm = [_help(environ) for _ in range(10)]
        yield Result(name="--help, first start", p50_ms=cold)
        yield Result(
            name="--help, warm", p50_ms=percentile(warm, 0.5), p99_ms=percentile(warm, 0.99)
        )
        yield from _supervisor(environ, root / "data")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _help(environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, str(_PYZ), "--help"], env=environ, check=True, capture_output=True
    )
    return (time.perf_counter() - started) * 1000


def _supervisor(environ: dict[str, str], data: Path) -> Iterator[Result]:
    for name in ("first start", "second start"):
        log = data.parent / f"supervisor-{name.split()[0]}.log"
        started = time.perf_counter()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(_PYZ), "supervisor"],
                env=environ | {"PORT": str(free_port()), "HOGSEND_DATA_DIR": str(data)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(
                lambda log=log: b"Hogsend worker ready" in log.read_bytes()  # type: ignore[misc]
                and b"Hogsend API ready" in log.read_bytes(),
                seconds=60,
                what="both ready",
            )
            ready = (time.perf_counter() - started) * 1000
            time.sleep(2)
            tree = list(descendants(process.pid))
            yield Result(
                name=f"supervisor, {name}",
                p50_ms=ready,
                memory_mb={
                    "supervisor": resident_mb(process.pid),
                    "all PSS": sum(proportional_mb(pid) for pid in tree),
                },
                notes={"processes": len(tree)},
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
