"""One machine with nothing but Python and the archive."""

from __future__ import annotations

import email
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from hogsend.embedded.ports import find_free_port
from tests.waiting import wait_until

_HTTP = urllib3.PoolManager(retries=False)
# Not the virtual environment's: an archive finds packages of its interpreter, too.
INTERPRETER = getattr(sys, "_base_executable", sys.executable)
PROGRAMS = ("api-1", "worker", "valkey", "postgres")


@dataclass(kw_only=True)
class Machine:
    """Runs supervisors on one data directory; every start appends to one log."""

    pyz: Path
    shiv_root: Path
    directory: Path
    port: int = field(default_factory=find_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """HOGSEND_DATA_DIR."""
        return self.directory / "data"

    @property
    def log(self) -> str:
        """What all supervisors so far printed."""
        file = self.directory / "supervisor.log"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def environ(self) -> dict[str, str]:
        """A bare environment, impatient about leases so that crashes are noticed soon."""
        return {
            "PATH": os.environ["PATH"],
            "SHIV_ROOT": str(self.shiv_root),
            "HOGSEND_DATA_DIR": str(self.data),
            "PORT": str(self.port),
            "LOG_FORMAT": "console",
            "HOGSEND_LEASE_SECONDS": "5",
            "HOGSEND_OUTBOX_RESUBMIT_SECONDS": "2",
            "SHUTDOWN_TIMEOUT_SECONDS": "5",
        }

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        return subprocess.run(
            [INTERPRETER, str(self.pyz), *arguments],
            env=self.environ | environ,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start a supervisor; it is not ready yet."""
        with (self.directory / "supervisor.log").open("ab") as log:
            self.process = subprocess.Popen(
                [INTERPRETER, str(self.pyz), "supervisor"],
                env=self.environ | environ,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.process

    def start_ready(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start a supervisor and wait until everything is up."""
        process = self.start(**environ)
        self.wait(self._is_ready, seconds=60, what="the supervisor is ready")
        return process

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-4000:]
        return (self.data / "instance.json").exists()

    def wait(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Poll until the condition holds; fails with the log at the deadline."""
        wait_until(condition, seconds=seconds, what=lambda: f"{what}\n{self.log[-6000:]}")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def pid_of(self, program: str) -> int:
        """The newest process of a program, from the log."""
        found = re.findall(rf"spawned: '{program}' with pid (\d+)", self.log)
        return int(found[-1])

    def survivors(self) -> list[str]:
        """Programs of any supervisor so far that still run."""
        found = re.findall(r"spawned: '([\w-]+)' with pid (\d+)", self.log)
        return [name for name, pid in found if _is_alive(int(pid))]

    @property
    def api_key(self) -> str:
        """The key of the banner."""
        match = re.search(r"hsk_[\w-]+", self.log)
        assert match is not None, self.log[-4000:]
        return match.group()

    def send(self, user: str, **properties: Any) -> None:
        """The event that starts the built-in journey; it must be accepted."""
        body = {
            "name": "user.signed_up",
            "userId": user,
            "email": f"{user}@people.test",
            "eventProperties": properties,
        }
        answer = _HTTP.request(
            "POST",
            f"http://127.0.0.1:{self.port}/v1/events",
            body=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.api_key}",
                "Content-Type": "application/json",
            },
            timeout=15,
        )
        assert answer.status == 202, (answer.status, answer.data)

    def subjects_to(self, user: str) -> list[str]:
        """Subjects of the mails one person got, oldest first."""
        files = sorted((self.data / "mail").glob("*.eml"), key=lambda p: p.stat().st_mtime)
        mails = [email.message_from_bytes(file.read_bytes()) for file in files]
        return [str(m["Subject"]) for m in mails if f"{user}@people.test" in str(m["To"])]

    def destroy(self) -> None:
        """Kill whatever is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)
        for program in re.findall(r"with pid (\d+)", self.log):
            if _is_alive(int(program)):
                os.kill(int(program), signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    """True for a running process of an archive or its servers; zombies and reused ids are not."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return any(mark in text for mark in (b"hogsend", b"postgres", b"valkey"))
