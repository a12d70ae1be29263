"""One instance of real processes on the local engine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from hogsend.access.api_keys import create_api_key
from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.options import parse_url
from tests.acceptance.instance import Instance
from tests.fakes.tcp_proxy import TcpProxy
from tests.waiting import wait_until

CONTENT = Path(__file__).parent / "content"
HTTP = urllib3.PoolManager(maxsize=32, retries=False)


class Proxied:
    """An address that can be cut, hung and mended without touching the server."""

    def __init__(self, url: str, proxy: TcpProxy) -> None:
        self.url = url
        self.proxy = proxy


def through_proxy(dsn: str) -> Proxied:
    """A PostgreSQL URL that goes through a proxy."""
    address = parse_url(dsn)
    proxy = TcpProxy(f"{address.host}:{address.port}")
    url = f"postgresql://{address.user}:{address.password}@{proxy.address}/{address.database}"
    return Proxied(url, proxy)


def make(dsn: str, redis_url: str, database: Database, directory: Path, **engine: str) -> Instance:
    """An instance on the local engine with the content of this folder."""
    return Instance(
        dsn=dsn,
        redis_url=redis_url,
        database=database,
        directory=directory,
        engine={
            "HOGSEND_ORCHESTRATOR": "local",
            "HOGSEND_APP": "modes_app:app",
            "HOGSEND_CONTENT_DIR": str(CONTENT),
            "HOGSEND_DATABASE_WAIT_SECONDS": "1",
            **engine,
        },
    )


@pytest.fixture
def instance(dsn: str, redis_url: str, database: Database, tmp_path: Path) -> Iterator[Instance]:
    """Nothing started yet; whatever a test starts is killed afterwards."""
    made = make(dsn, redis_url, database, tmp_path)
    try:
        yield made
    finally:
        made.stop()


def get(instance: Instance, path: str, method: str = "GET") -> tuple[int, Any]:
    """Status and parsed body."""
    answer = HTTP.request(method, f"http://127.0.0.1:{instance.port}{path}", timeout=10)
    return answer.status, json.loads(answer.data) if answer.data else None


def stop_gently(instance: Instance, process: Any, seconds: float = 30) -> int:
    """SIGTERM; returns the exit code."""
    process.terminate()
    return int(process.wait(timeout=seconds))


class Load:
    """Threads that send events as fast as they are answered and remember what was accepted."""

    def __init__(self, instance: Instance, *, threads: int = 8) -> None:
        self._instance = instance
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.accepted: set[str] = set()
        self.refused = 0
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Return when so many more events were accepted."""
        goal = len(self.accepted) + count
        wait_until(lambda: len(self.accepted) >= goal, seconds=seconds, what=f"{goal} accepted")

    def stop(self) -> None:
        """End the threads."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _run(self, number: int) -> None:
        pool = urllib3.PoolManager(maxsize=1, retries=False)
        i = 0
        while not self._stopping.is_set():
            i += 1
            key = f"{number}-{i}"
            try:
                answer = pool.request(
                    "POST",
                    f"http://127.0.0.1:{self._instance.port}/v1/events",
                    body=json.dumps(
                        {"name": "load", "userId": f"u{i % 50}", "idempotencyKey": key}
                    ).encode(),
                    headers={
                        "Authorization": f"Bearer {self._instance.api_key}",
                        "Content-Type": "application/json",
                    },
                    timeout=20,
                )
            except (urllib3.exceptions.HTTPError, OSError):
                time.sleep(0.02)
                continue
            with self._lock:
                if answer.status == 202:
                    self.accepted.add(key)
                else:
                    self.refused += 1


def stored_keys(dsn: str) -> set[str]:
    """Idempotency keys of the stored events, as the client said them."""
    db = Database(DatabaseOptions(url=dsn, pool_size=1))
    try:
        rows = db.run(Query("keys", "SELECT idempotency_key FROM user_events WHERE event = 'load'"))
    finally:
        db.close()
    return {str(row[0]).removeprefix("api:") for row in rows}


def mint_key(dsn: str) -> str:
    """An ingest key of a database that the fixtures did not make."""
    db = Database(DatabaseOptions(url=dsn, pool_size=1))
    try:
        return create_api_key(db, name="load", scopes=["ingest"])[1]
    finally:
        db.close()
