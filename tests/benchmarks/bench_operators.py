"""What operators wait for: doctor, sign-in, the memory of each mode."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.engines import LocalEngine
from tests.acceptance.instance import Instance
from tests.benchmarks.loadgen import percentile
from tests.benchmarks.report import Result, descendants, proportional_mb, resident_mb
from tests.benchmarks.stack import Stack
from tests.waiting import wait_until

_COMMAND = (sys.executable, "-m", "hogsend")
_DOCTOR_GOAL_MS = 2000.0
_MODES = {"api": b"Hogsend API ready", "worker": b"Hogsend worker ready"}

# In a process of its own: a peak can only be read of a whole process.
_HASHING = """
import re, sys, time
from pathlib import Path
from hogsend.access.passwords import hash_password, verify_password
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # loading it is no cost of hashing
def peak():  # not ru_maxrss: that one begins at the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
stored = hash_password("correct horse battery")
times = []
for _ in range(int(sys.argv[1])):
    started = time.perf_counter()
    assert verify_password("correct horse battery", stored)
    times.append((time.perf_counter() - started) * 1000)
print(stored.split("$")[1] if "$" in stored else "scrypt", peak() - before, *times)
"""


def run(stack: Stack) -> Iterator[Result]:
    """The commands as an operator types them, from source."""
    yield _hashing(40)
    with stack.instance(LocalEngine(namespace="")) as instance:
        migrated = subprocess.run(
            [*_COMMAND, "migrate"], env=instance.environ, capture_output=True, check=True
        )
        del migrated
        with TemporaryDirectory(prefix="hogsend-bench-") as directory:
            yield from _processes(instance, Path(directory))


def _hashing(times: int) -> Result:
    """Cost of checking one password: time, and the memory the process grows by."""
    done = subprocess.run(
        [sys.executable, "-c", _HASHING, str(times)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd()},
        capture_output=True,
        check=True,
        text=True,
    )
    algorithm, grown, *taken = done.stdout.split()
    measured = [float(value) for value in taken]
    return Result(
        name="sign-in: check one password",
        p50_ms=percentile(measured, 0.5),
        p99_ms=percentile(measured, 0.99),
        memory_mb={"peak grows by": float(grown)},
        notes={"algorithm": algorithm},
    )


def _processes(instance: Instance, directory: Path) -> Iterator[Result]:
    running: list[subprocess.Popen[bytes]] = []
    try:
        for mode, marker in _MODES.items():
            log = directory / f"{mode}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [*_COMMAND, mode], env=instance.environ, stdout=output, stderr=output
                )
            running.append(process)
            wait_until(lambda m=marker, f=log: m in f.read_bytes(), seconds=60, what=mode)  # type: ignore[misc]
            time.sleep(2)  # what is loaded on first use belongs to the process as well
            yield _memory(mode, process.pid)
        yield _doctor(instance)
        yield _migrate_memory(instance)
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(timeout=60)


def _memory(mode: str, pid: int) -> Result:
    tree = list(descendants(pid))
    return Result(
        name=f"memory of {mode}, idle",
        memory_mb={
            "RSS": sum(resident_mb(one) for one in tree),
            "PSS": sum(proportional_mb(one) for one in tree),
        },
        notes={"processes": len(tree)},
    )


def _doctor(instance: Instance, *, times: int = 7) -> Result:
    """The whole command, interpreter included, while api and worker run."""
    command = [*_COMMAND, "doctor", "--url", f"http://127.0.0.1:{instance.port}"]
    measured = [_timed(command, instance) for _ in range(times)]
    taken = [elapsed for elapsed, _ in measured]
    return Result(
        name="doctor, api and worker running",
        p50_ms=percentile(taken, 0.5),
        p99_ms=max(taken),
        notes={
            # What is left on a machine that does nothing else.
            "cpu_ms": round(percentile([cpu for _, cpu in measured], 0.5)),
            "goal_ms": _DOCTOR_GOAL_MS,
            "kept": max(taken) < _DOCTOR_GOAL_MS,
        },
    )


def _timed(command: Sequence[str], instance: Instance) -> tuple[float, float]:
    """Milliseconds on the wall and of processor."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=instance.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = (time.perf_counter() - started) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # 1: it found something, mail is not set up here
        raise SystemExit(f"doctor ended with {process.returncode}")
    return elapsed, (usage.ru_utime + usage.ru_stime) * 1000


def _migrate_memory(instance: Instance) -> Result:
    """``migrate`` ends by itself: its peak is what the kernel counted."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*_COMMAND, "migrate"], env=instance.environ, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("migrate failed")
    return Result(
        name="memory of migrate, nothing to do",
        p50_ms=(time.perf_counter() - started) * 1000,
        memory_mb={"peak RSS": _peak_mb(usage)},
    )


def _peak_mb(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024
