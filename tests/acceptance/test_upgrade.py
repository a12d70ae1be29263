"""A rolling upgrade under load: nothing is refused, lost or doubled, and nobody notices."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hogsend.access.api_keys import create_api_key
from hogsend.db import Database, DatabaseOptions, Query
from hogsend.embedded.ports import find_free_port
from tests.acceptance.engines import Engine
from tests.acceptance.instance import CONTENT, kill_group
from tests.acceptance.releases import Release, following, previous
from tests.fakes.balancer import Balancer
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

_CLIENTS = 4
_PAUSE_SECONDS = 0.05
_STORED = Query("stored", "SELECT idempotency_key FROM user_events WHERE event LIKE '%.wanted'")
_PROBE = Query("probe", "SELECT upgrade_probe FROM journey_states LIMIT 1")


@dataclass
class Load:
    """Clients that keep their connection and never repeat a request."""

    port: int
    api_key: str
    sent: int = 0
    accepted: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for number in range(_CLIENTS):
            thread = threading.Thread(target=self._run, args=(number,))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def wait_for_more(self, count: int) -> None:
        """Return when so many more requests were made."""
        goal = self.sent + count
        wait_until(lambda: self.sent >= goal, seconds=60, what=f"{goal} requests")

    def _run(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        turn = 0
        while not self._stopping.wait(_PAUSE_SECONDS):
            turn += 1
            user = f"c{number}-{turn}"
            event = "nap.wanted" if turn % 3 == 0 else "mail.wanted"
            outcome = self._send(connection, event, user)
            with self._lock:
                self.sent += 1
                if outcome is None:
                    self.accepted[user] = event
                else:
                    self.failures.append(f"{time.monotonic():.2f} {user}: {outcome}")
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, event: str, user: str) -> str | None:
        body = {
            "name": event,
            "userId": user,
            "email": f"{user}@people.test",
            "idempotencyKey": user,
            "eventProperties": {"seconds": 4},
        }
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/events", json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return repr(error)
        return None if answer.status == 202 else f"{answer.status} {content[:200]!r}"


@dataclass(kw_only=True)
class Fleet:
    """Processes of two releases over one database."""

    environ: dict[str, str]
    directory: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, release: Release, mode: str, **environ: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{mode}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "hogsend", mode],
                env=self.environ | {"PYTHONPATH": str(release.tree)} | environ,
                cwd=release.tree,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_api(
        self, release: Release, balancer: Balancer
    ) -> tuple[subprocess.Popen[bytes], int]:
        port = find_free_port()
        process = self.start(release, "api", PORT=str(port))
        balancer.add(port)
        wait_until(
            lambda: balancer.is_ready(port),
            seconds=40,
            what=lambda: f"api of {release.version} is ready\n{self.log('api')[-3000:]}",
        )
        return process, port

    def log(self, mode: str) -> str:
        return (self.directory / f"{mode}.log").read_text(errors="replace")

    def migrate(self, release: Release) -> str:
        process = self.start(release, "migrate")
        assert process.wait(timeout=120) == 0, self.log("migrate")
        return self.log("migrate")


@pytest.fixture
def fleet(engine: Engine, empty_dsn: str, redis_url: str, tmp_path: Path) -> Iterator[Fleet]:
    (tmp_path / "mail").mkdir()
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    made = Fleet(
        directory=tmp_path,
        environ=kept
        | {
            "DATABASE_URL": empty_dsn,
            "REDIS_URL": redis_url,
            "BETTER_AUTH_SECRET": "acceptance-secret-of-more-than-32-characters",
            "EMAIL_PROVIDER": "outbox",
            "EMAIL_FROM": "Acceptance <hello@acceptance.test>",
            "HOGSEND_OUTBOX_DIR": str(tmp_path / "mail"),
            "HOGSEND_APP": "acceptance_app:app",
            "HOGSEND_CONTENT_DIR": str(CONTENT),
            "HOGSEND_LEASE_SECONDS": "5",
            "HOGSEND_OUTBOX_RESUBMIT_SECONDS": "3",
            "HOGSEND_DRAIN_SECONDS": "2",
            "SHUTDOWN_TIMEOUT_SECONDS": "20",
            "PYTHONUNBUFFERED": "1",
            **engine.environ,
        },
    )
    try:
        yield made
    finally:
        for process in made.processes:
            kill_group(process)


def test_rolling_upgrade_under_load_loses_refuses_and_doubles_nothing(
    fleet: Fleet, empty_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = previous(tmp_path), following(tmp_path)
    fleet.migrate(old)
    database = Database(DatabaseOptions(url=empty_dsn, pool_size=2))
    _, key = create_api_key(database, name="load", scopes=["ingest"])
    balancer = Balancer()
    load = Load(balancer.port, key)
    try:
        workers = [fleet.start(old, "worker") for _ in range(2)]
        apis = [fleet.start_api(old, balancer) for _ in range(2)]
        load.start()
        load.wait_for_more(60)

        migrated = fleet.migrate(new)
        load.wait_for_more(60)
        codes = []
        for process, port in apis:
            fleet.start_api(new, balancer)
            process.send_signal(signal.SIGTERM)
            codes.append(process.wait(timeout=60))
            balancer.remove(port)
        for process in workers:
            fleet.start(new, "worker")
            load.wait_for_more(20)
            process.send_signal(signal.SIGTERM)
            codes.append(process.wait(timeout=60))
        load.wait_for_more(60)
        load.stop()
        wait_until(
            lambda: len(_mails(tmp_path)) >= len(load.accepted),
            seconds=90,
            what=lambda: f"all mails\n{fleet.log('worker')[-4000:]}",
        )
        time.sleep(2)  # for a mail too many

        stored = {str(row[0]).removeprefix("api:") for row in database.run(_STORED)}
        mails = _mails(tmp_path)
        doubled = {user: count for user, count in mails.items() if count > 1}
        with capsys.disabled():
            print(
                f"\nrolling upgrade from {old.origin} to {new.origin}: "
                f"{load.sent} requests, {len(load.failures)} failed, "
                f"{len(load.accepted)} events accepted, {len(stored)} stored, "
                f"{sum(mails.values())} mails of {len(load.accepted)}, {len(doubled)} doubled"
            )
        assert load.failures == []
        assert "9990_add_upgrade_probe" in migrated
        assert database.run(_PROBE) == [("new",)]
        assert stored == set(load.accepted)
        assert (set(mails), doubled) == (set(load.accepted), {})
        assert codes == [0, 0, 0, 0], fleet.log("api")[-2000:] + fleet.log("worker")[-4000:]
        for mode in ("api", "worker"):
            versions = [v for v in (old.version, new.version) if v in fleet.log(mode)]
            assert versions == [old.version, new.version]
    finally:
        load.stop()
        balancer.close()
        database.close()


def _mails(directory: Path) -> Counter[str]:
    """How many mails each person got."""
    found: Counter[str] = Counter()
    for file in (directory / "mail").glob("*.eml"):
        for line in file.read_text(errors="replace").splitlines():
            if line.lower().startswith("to:"):
                found[line.partition(":")[2].strip().partition("@")[0].strip("<>")] += 1
                break
    return found
