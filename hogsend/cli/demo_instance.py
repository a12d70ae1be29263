"""Finds the instance a demo runs against, or starts one for its few seconds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hogsend.errors import HogsendError

INSTANCE_FILE = "instance.json"
_START_SECONDS = 90.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send and where to look; ``mail`` is the outbox provider's directory."""

    url: str
    database_url: str
    mail: Path | None


def find_running(data_dir: Path) -> Target | None:
    """The supervisor that runs on this data directory; None when there is none.

    Reads ``instance.json``, which a supervisor writes (mode 0600) when everything is ready and
    removes when it stops.
    """
    try:
        found = json.loads((data_dir / INSTANCE_FILE).read_text("utf-8"))
        os.kill(int(found["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    mail = found.get("mail")
    return Target(
        url=str(found["url"]),
        database_url=str(found["databaseUrl"]),
        mail=Path(mail) if mail else None,
    )


@contextmanager
def temporary() -> Iterator[Target]:
    """Start a supervisor on embedded defaults; it and its data are gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="hogsend-demo-"))
    directory.chmod(0o755)  # embedded servers of root run as somebody else
    log = directory / "supervisor.log"
    kept = {k: v for k, v in os.environ.items() if k in _KEPT}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_own_command(), "supervisor"],
            env=kept | {"HOGSEND_DATA_DIR": str(directory / "data"), "PORT": str(_free_port())},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _wait_for(process, directory / "data", log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(directory, ignore_errors=True)


_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SHIV_ROOT", "PYTHONPATH")


def _own_command() -> list[str]:
    program = os.path.abspath(sys.argv[0])
    if program.endswith(".pyz"):
        return [sys.executable, program]
    return [sys.executable, "-m", "hogsend"]


def _wait_for(process: subprocess.Popen[bytes], data: Path, log: Path) -> Target:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        target = find_running(data)
        if target is not None:
            return target
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise HogsendError(
        "the demo's own instance did not start",
        hint=f"its last lines: {log.read_text(errors='replace')[-1500:]}",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
