"""The disk of the embedded database fills up, and is emptied again."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.embedded.ports import find_free_port
from tests.deploy.tools import require_tool
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

_DISK = "320m"
_LEFT_BYTES = 2 * 1024 * 1024
_STORED = Query("stored", "SELECT idempotency_key FROM user_events WHERE event = 'padded'")


@dataclass
class Machine:
    """A supervisor whose data directory is a disk of its own."""

    disk: Path
    port: int = field(default_factory=find_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        file = self.disk.with_suffix(".log")
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def environ(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR")}
        return kept | {
            "HOGSEND_DATA_DIR": str(self.disk / "data"),
            "PORT": str(self.port),
            "ADMIN_API_KEY": "disk-key",
            "SHUTDOWN_TIMEOUT_SECONDS": "5",
            "LOG_FORMAT": "console",
            "PYTHONUNBUFFERED": "1",
        }

    def start(self) -> None:
        with self.disk.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hogsend", "supervisor"],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def send(self, key: str, *, padding: int) -> tuple[int, bytes]:
        """One event; status 0 when nobody answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = {
            "name": "padded",
            "userId": key,
            "idempotencyKey": key,
            # Random, because PostgreSQL compresses.
            "eventProperties": {"padding": os.urandom(padding // 2).hex()},
        }
        headers = {"Authorization": "Bearer disk-key", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/events", json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def migrate(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """``hogsend migrate`` with migrations of the author's own."""
        return subprocess.run(
            [sys.executable, "-m", "hogsend", "migrate"],
            env=self.environ | {"DATABASE_URL": self.dsn, "CLIENT_MIGRATIONS_FOLDER": str(folder)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def dsn(self) -> str:
        return str(json.loads((self.disk / "data" / "instance.json").read_text())["databaseUrl"])


@pytest.fixture
def machine() -> Iterator[Machine]:
    program = require_tool("mount", install="apt-get install mount")
    disk = Path(tempfile.mkdtemp(prefix="hogsend-disk-"))
    mounted = subprocess.run(
        [program, "-t", "tmpfs", "-o", f"size={_DISK},mode=755", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(mounted.stderr)
        pytest.skip(f"needs a small disk: {mounted.stderr}")
    made = Machine(disk)
    try:
        yield made
    finally:
        made.stop()
        subprocess.run(["umount", "--lazy", str(disk)], check=False)
        disk.rmdir()
        disk.with_suffix(".log").unlink(missing_ok=True)


def test_full_disk_is_named_refuses_events_and_loses_none(machine: Machine, tmp_path: Path) -> None:
    folder = _large_migration(tmp_path / "client")
    machine.start()
    wait_until(lambda: machine.send("0", padding=10)[0] == 202, seconds=90, what="up")
    accepted, refused = {"0"}, []

    ballast = _fill(machine.disk)
    for number in range(1, 4000):
        status, body = machine.send(str(number), padding=30_000)
        if status == 202:
            accepted.add(str(number))
        else:
            refused.append((status, body))
        if len(refused) >= 8:
            break
    failed = machine.migrate(folder)
    survived = machine.is_alive()
    ballast.unlink()
    if not survived:
        machine.start()
    wait_until(
        lambda: machine.send("again", padding=10)[0] == 202,
        seconds=120,
        what=lambda: f"works again\n{machine.log[-4000:]}",
    )
    accepted.add("again")

    db = Database(DatabaseOptions(url=machine.dsn, pool_size=1))
    stored = {str(row[0]).removeprefix("api:") for row in db.run(_STORED)}
    db.close()
    repeated = machine.migrate(folder)
    print(f"{len(accepted)} accepted, {len(refused)} refused, {survived=}")
    assert len(refused) >= 8
    assert {status for status, _ in refused} <= {0, 503}
    assert "code=database_disk_full" in machine.log
    assert "free space on the database's disk" in machine.log
    assert (failed.returncode, "No space left" in failed.stderr) == (1, True), failed.stderr
    assert "free space on the database's disk" in failed.stderr
    assert repeated.returncode == 0, repeated.stderr
    assert accepted <= stored
    # What was refused may have been stored when the answer was lost, but no 503 is a promise.
    assert machine.is_alive()


def _large_migration(folder: Path) -> Path:
    """A client track whose only file needs 24 MB."""
    (folder / "meta").mkdir(parents=True)
    entry = {"idx": 0, "version": "7", "when": 1, "tag": "0000_large", "breakpoints": True}
    (folder / "meta" / "_journal.json").write_text(json.dumps({"entries": [entry]}))
    (folder / "0000_large.sql").write_text(
        "CREATE TABLE large AS SELECT repeat(i::text, 200) AS filler "
        "FROM generate_series(100000, 120000) i"
    )
    return folder


def _fill(disk: Path) -> Path:
    """A file that leaves next to nothing; the database's user has no reserve on a tmpfs."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - _LEFT_BYTES)
    return ballast
