"""Cold and warm starts of the artefact and of each mode, and the memory they take."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hogsend.embedded.ports import find_free_port
from tests.acceptance.engines import LocalEngine
from tests.benchmarks.loadgen import percentile
from tests.benchmarks.report import Result, descendants, proportional_mb, resident_mb
from tests.benchmarks.stack import Stack

_PYZ = Path(os.environ.get("HOGSEND_BENCH_PYZ", "dist/hogsend.pyz"))


def run(stack: Stack) -> Iterator[Result]:
    """``--help`` cold and warm, each mode by itself, then supervisor mode with everything."""
    if not _PYZ.exists():
        raise SystemExit(f"{_PYZ} is missing; run `make pyz` first")
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
        yield from _modes(stack, environ, root)
        yield from _supervisor(environ, root / "data")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _help(environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, str(_PYZ), "--help"], env=environ, check=True, capture_output=True
    )
    return (time.perf_counter() - started) * 1000


def _modes(stack: Stack, environ: dict[str, str], root: Path) -> Iterator[Result]:
    """``migrate`` with nothing to do, api and worker until they say that they are ready."""
    with stack.instance(LocalEngine(namespace="")) as instance:
        given = instance.environ | environ
        command = [sys.executable, str(_PYZ)]
        started = time.perf_counter()
        done = subprocess.run([*command, "migrate"], env=given, check=False, capture_output=True)
        if done.returncode:
            raise SystemExit(f"{_PYZ} is older than this source:\n{done.stderr.decode()}")
        yield Result(name="migrate, nothing to do", p50_ms=(time.perf_counter() - started) * 1000)
        for mode, marker in (("api", b"Hogsend API ready"), ("worker", b"Hogsend worker ready")):
            log = root / f"{mode}.log"
            started = time.perf_counter()
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [*command, mode], env=given, stdout=output, stderr=subprocess.STDOUT
                )
            try:
                ready = _until_ready(log, [marker], started)
                time.sleep(2)
                tree = list(descendants(process.pid))
                yield Result(
                    name=f"{mode}, local engine",
                    p50_ms=ready,
                    memory_mb={"RSS": sum(resident_mb(pid) for pid in tree)},
                )
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)


def _until_ready(log: Path, markers: Sequence[bytes], started: float) -> float:
    """Milliseconds until all markers are in the log; looks every five of them."""
    deadline = started + 60
    while not all(marker in log.read_bytes() for marker in markers):
        if time.perf_counter() > deadline:
            raise SystemExit(f"not ready within a minute:\n{log.read_text(errors='replace')}")
        time.sleep(0.005)
    return (time.perf_counter() - started) * 1000


def _supervisor(environ: dict[str, str], data: Path) -> Iterator[Result]:
    for name in ("first start", "second start"):
        log = data.parent / f"supervisor-{name.split()[0]}.log"
        started = time.perf_counter()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(_PYZ), "supervisor"],
                env=environ | {"PORT": str(find_free_port()), "HOGSEND_DATA_DIR": str(data)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            ready = _until_ready(log, [b"Hogsend worker ready", b"Hogsend API ready"], started)
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
