"""Servers that tests of this folder may break."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.options import parse_url
from hogsend.embedded import PostgresServer
from tests.fakes.tcp_proxy import TcpProxy

_READY_SECONDS = 60


class OwnPostgres:
    """A PostgreSQL server of its own that can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self._server = PostgresServer.prepare(directory)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._server.dsn

    def start(self) -> None:
        """Start it unless it runs; returns when it answers."""
        if self._process is not None:
            return
        user, group = self._server.run_as or (None, None)
        self._process = subprocess.Popen(
            self._server.command(),
            user=user,
            group=group,
            extra_groups=None if group is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        self._server.wait_ready(_READY_SECONDS)
        self._server.ensure_database()
        self.url = self._server.dsn

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is a fast, SIGQUIT an immediate shutdown."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=_READY_SECONDS)
        self._process = None


@pytest.fixture
def dsn(empty_dsn: str) -> str:
    """This layer needs no schema."""
    return empty_dsn


@pytest.fixture(scope="session")
def _own_postgres() -> Iterator[OwnPostgres]:
    directory = Path(tempfile.mkdtemp(prefix="hogsend-test-"))
    server = OwnPostgres(directory)
    try:
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        rmtree(directory, ignore_errors=True)


@pytest.fixture
def own_postgres(_own_postgres: OwnPostgres) -> OwnPostgres:
    """A running server that the test may stop."""
    _own_postgres.start()
    return _own_postgres


@pytest.fixture
def proxy(dsn: str) -> Iterator[TcpProxy]:
    """Stands between a test and its database."""
    address = parse_url(dsn)
    between = TcpProxy(f"{address.host}:{address.port}")
    try:
        yield between
    finally:
        between.close()


@pytest.fixture
def proxied_dsn(dsn: str, proxy: TcpProxy) -> str:
    """The test's database through the proxy."""
    address = parse_url(dsn)
    return f"postgresql://{address.user}:{address.password}@{proxy.address}/{address.database}"


@pytest.fixture
def admin(dsn: str) -> Iterator[Database]:
    """A second way into the test's database, untouched by what the test breaks."""
    opened = Database(DatabaseOptions(url=dsn, pool_size=2, application_name="admin"))
    try:
        yield opened
    finally:
        opened.close()


def terminate_others(admin: Database, application_name: str = "hogsend") -> int:
    """End every backend of that name in this database; returns how many."""
    rows = admin.run(
        Query.parse(
            "terminate",
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = :name",
        ),
        name=application_name,
    )
    return len(rows)
