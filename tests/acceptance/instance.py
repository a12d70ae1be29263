"""A whole Hogsend for one test: real processes on real servers, content of its own."""

from __future__ import annotations

import email
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

import urllib3

from hogsend.access.api_keys import create_api_key
from hogsend.db import Database, Query
from hogsend.embedded.ports import find_free_port
from tests.waiting import wait_until

CONTENT = Path(__file__).parent / "content"
_HTTP = urllib3.PoolManager(maxsize=64, retries=False)


@dataclass(kw_only=True)
class Instance:
    """API and any number of workers over one database; logs are kept beside the mails."""

    dsn: str
    redis_url: str
    database: Database
    directory: Path
    engine: Mapping[str, str]
    port: int = field(default_factory=find_free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    api_key: str = ""

    def __post_init__(self) -> None:
        self.mail.mkdir(parents=True, exist_ok=True)
        _, self.api_key = create_api_key(self.database, name="acceptance", scopes=["ingest"])

    @property
    def mail(self) -> Path:
        """Where the outbox provider writes."""
        return self.directory / "mail"

    @property
    def environ(self) -> dict[str, str]:
        """The environment of every process of this instance."""
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        return kept | {
            "DATABASE_URL": self.dsn,
            "REDIS_URL": self.redis_url,
            "BETTER_AUTH_SECRET": "acceptance-secret-of-more-than-32-characters",
            "PORT": str(self.port),
            "EMAIL_PROVIDER": "outbox",
            "EMAIL_FROM": "Acceptance <hello@acceptance.test>",
            "HOGSEND_OUTBOX_DIR": str(self.mail),
            "HOGSEND_APP": "acceptance_app:app",
            "HOGSEND_CONTENT_DIR": str(CONTENT),
            "HOGSEND_LEASE_SECONDS": "3",
            "HOGSEND_OUTBOX_RESUBMIT_SECONDS": "3",
            "SHUTDOWN_TIMEOUT_SECONDS": "5",
            "PYTHONUNBUFFERED": "1",
            **self.engine,
        }

    def start(self, mode: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start one process; its output goes to ``<mode>.log``."""
        with (self.directory / f"{mode}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "hogsend", mode],
                env=self.environ | environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_api(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start the API and wait until it answers."""
        process = self.start("api", **environ)
        wait_until(self.is_live, seconds=30, what=lambda: f"api is live\n{self.log('api')}")
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker and wait for its ready marker."""
        before = self.log("worker").count("Hogsend worker ready")
        process = self.start("worker")
        wait_until(
            lambda: self.log("worker").count("Hogsend worker ready") > before,
            seconds=60,
            what="worker is ready",
        )
        return process

    def is_live(self) -> bool:
        """True once the API answers."""
        try:
            url = f"http://127.0.0.1:{self.port}/v1/health/live"
            return _HTTP.request("GET", url, timeout=2).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def log(self, mode: str) -> str:
        """Everything the mode's processes printed."""
        path = self.directory / f"{mode}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def post(self, path: str, body: object) -> urllib3.BaseHTTPResponse:
        """POST JSON with the instance's key."""
        return _HTTP.request(
            "POST",
            f"http://127.0.0.1:{self.port}{path}",
            body=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.api_key}",
                "Content-Type": "application/json",
            },
            timeout=30,
        )

    def send(self, name: str, user: str, **properties: Any) -> None:
        """One event for one person; the API must accept it."""
        answer = self.post(
            "/v1/events",
            {
                "name": name,
                "userId": user,
                "email": f"{user}@people.test",
                "eventProperties": properties,
            },
        )
        assert answer.status == 202, (answer.status, answer.data)

    def mails(self) -> list[Message]:
        """Every mail that left, oldest first."""
        files = sorted(self.mail.glob("*.eml"), key=lambda p: p.stat().st_mtime)
        return [email.message_from_bytes(path.read_bytes()) for path in files]

    def subjects_to(self, user: str) -> list[str]:
        """Subjects of the mails one person got."""
        return [str(m["Subject"]) for m in self.mails() if f"{user}@people.test" in str(m["To"])]

    def states(self) -> dict[str, int]:
        """Number of enrollments by status."""
        rows = self.database.run(_STATES)
        return {status: int(count) for status, count in rows}

    def stop(self) -> None:
        """Kill whatever still runs, listener children included."""
        for process in self.processes:
            kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """kill -9 the process and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


_STATES = Query.parse(
    "acceptance_states", "SELECT status, count(*) FROM journey_states GROUP BY status"
)
