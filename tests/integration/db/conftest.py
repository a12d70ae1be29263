"""Servers that tests of this folder may break."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.options import parse_url
from tests.fakes.own_postgres import OwnPostgres
from tests.fakes.tcp_proxy import TcpProxy


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
