"""One supervisor per data directory, and the file that tells others about it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from hogsend.embedded.data_directory import write_private
from hogsend.errors import ConfigError
from hogsend.supervise.plan import Plan

# Read by `hogsend demo`.
INSTANCE = "instance.json"
_SUPERVISOR_LOCK = "supervisor.lock"
_PROGRAMS_LOCK = "programs.lock"
_POLL_SECONDS = 0.05


@contextmanager
def only_supervisor(data_dir: Path, *, wait_seconds: float) -> Iterator[Path]:
    """Hold the data directory; yields the file that every program must hold with ``hold``.

    The kernel frees both locks when their holders die, however they die. After a supervisor was
    killed its programs need a moment to end: that is waited for, ``wait_seconds`` at most.
    Raises ConfigError when a supervisor or its programs are still there.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / _SUPERVISOR_LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"another supervisor{_whose(lock)} runs on {data_dir}",
                code="supervisor_running",
                hint="stop it first, or set HOGSEND_DATA_DIR to another directory",
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        (data_dir / INSTANCE).unlink(missing_ok=True)
        programs = data_dir / _PROGRAMS_LOCK
        _wait_for_programs(programs, wait_seconds)
        try:
            yield programs
        finally:
            (data_dir / INSTANCE).unlink(missing_ok=True)


def hold(programs: Path) -> None:
    """Mark this process and what it starts as programs of the instance, until they end.

    For a child between fork and exec.
    """
    descriptor = os.open(programs, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.set_inheritable(descriptor, True)


def announce(plan: Plan) -> None:
    """Write the instance file; mode 0600, because it holds the database's password."""
    content = {
        "pid": os.getpid(),
        "url": plan.url,
        "databaseUrl": plan.database_url,
        "mail": None if plan.mail is None else str(plan.mail),
    }
    write_private(plan.data_dir / INSTANCE, json.dumps(content, indent=2) + "\n")


def _wait_for_programs(programs: Path, wait_seconds: float) -> None:
    # Readable by the user the servers run as.
    with open(os.open(programs, os.O_RDWR | os.O_CREAT, 0o644), "rb") as lock:
        programs.chmod(0o644)
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise ConfigError(
                        f"programs of an earlier supervisor still run on {programs.parent}",
                        code="programs_running",
                        hint=f"find them with `fuser {programs}` and stop them",
                    ) from error
            time.sleep(_POLL_SECONDS)


def _whose(lock: TextIO) -> str:
    try:
        lock.seek(0)
        return f" (process {int(lock.read())})"
    except (OSError, ValueError):
        return ""
