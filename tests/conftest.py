"""Servers, databases and a clean environment for every test.

``HOGSEND_TEST_DATABASE_URL`` and ``HOGSEND_TEST_REDIS_URL`` name servers that are there already
(the database role must be allowed to create databases); otherwise the embedded ones are started.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import structlog

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.migrator import migrate
from hogsend.embedded import PostgresServer, Server, ValkeyServer
from hogsend.settings.declare import settings_of
from hogsend.settings.model import Settings

_KEPT = "HOGSEND_TEST_"
_DATABASE = "HOGSEND_TEST_DATABASE_URL"
_REDIS = "HOGSEND_TEST_REDIS_URL"
_PREFIXES = ("HOGSEND_", "HATCHET_", "BETTER_AUTH_", "STUDIO_", "POSTHOG_", "STRIPE_", "PG")
_READY_SECONDS = 30
_REDIS_DATABASES = range(1, 16)
_REDIS_CLAIM_SECONDS = 600


_servers = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """With xdist the controlling process starts the servers, one of each for all workers."""
    is_worker = hasattr(config, "workerinput")
    if is_worker or not getattr(config.option, "numprocesses", None):
        return
    closing = config.stash[_servers] = ExitStack()
    if not os.environ.get(_DATABASE):
        os.environ[_DATABASE] = closing.enter_context(_postgres())
        closing.callback(os.environ.pop, _DATABASE)
    if not os.environ.get(_REDIS):
        os.environ[_REDIS] = closing.enter_context(_valkey())
        closing.callback(os.environ.pop, _REDIS)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what ``pytest_configure`` started."""
    if _servers in config.stash:
        config.stash[_servers].close()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it, or what another test bound to its log lines."""
    structlog.contextvars.clear_contextvars()
    declared = {setting.name for setting in settings_of(Settings)}
    for name in list(os.environ):
        if not name.startswith(_KEPT) and (name in declared or name.startswith(_PREFIXES)):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server whose role may create databases."""
    given = os.environ.get(_DATABASE)
    if given:
        yield given
        return
    with _postgres() as url:
        yield url


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """Name of a migrated, empty database to clone; this process's own."""
    name = f"hogsend_template_{os.getpid()}"
    with _administration(postgres_url) as admin:
        _execute(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        _execute(admin, f"CREATE DATABASE {name}")
        try:
            migrate(DatabaseOptions(url=with_database(postgres_url, name)))
            yield name
        finally:
            _execute(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


_numbers = count()


@contextmanager
def new_database(postgres_url: str, clause: str) -> Iterator[str]:
    """A database that ends with the block."""
    name = f"hogsend_test_{os.getpid()}_{next(_numbers)}"
    with _administration(postgres_url) as admin:
        _execute(admin, f"CREATE DATABASE {name} {clause}")
        try:
            yield with_database(postgres_url, name)
        finally:
            _execute(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def dsn(postgres_url: str, template_database: str) -> Iterator[str]:
    """URL of a migrated, empty database of the test's own."""
    with new_database(postgres_url, f"TEMPLATE {template_database}") as url:
        yield url


@pytest.fixture
def empty_dsn(postgres_url: str) -> Iterator[str]:
    """URL of a database without any schema."""
    with new_database(postgres_url, "") as url:
        yield url


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    """The test's database, opened."""
    opened = Database(DatabaseOptions(url=dsn))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def _redis_database() -> Iterator[str]:
    """URL of a logical database that no other test process uses."""
    given = os.environ.get(_REDIS)
    if given:
        with _claimed_redis(given) as url:
            yield url
        return
    with _valkey() as server, _claimed_redis(server) as url:
        yield url


@pytest.fixture
def redis_url(_redis_database: str) -> Iterator[str]:
    """URL of an empty Redis database."""
    client = redis.Redis.from_url(_redis_database)
    try:
        client.flushdb()
        yield _redis_database
    finally:
        client.close()


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def _administration(url: str) -> Iterator[Database]:
    admin = Database(DatabaseOptions(url=url, pool_size=1))
    try:
        yield admin
    finally:
        admin.close()


def _execute(admin: Database, sql: str) -> None:
    admin.run(Query("administration", sql))


@contextmanager
def _claimed_redis(url: str) -> Iterator[str]:
    """Test processes share a server, so each takes one of its numbered databases."""
    registry = redis.Redis.from_url(url)
    for number in _REDIS_DATABASES:
        key = f"hogsend-test:{number}"
        if registry.set(key, os.getpid(), nx=True, ex=_REDIS_CLAIM_SECONDS):
            break
    else:
        registry.close()
        raise RuntimeError("every numbered Redis database is in use by another test process")
    try:
        yield urlsplit(url)._replace(path=f"/{number}").geturl()
    finally:
        registry.delete(key)
        registry.close()


@contextmanager
def _data_directory() -> Iterator[Path]:
    # Not pytest's: its parents are closed to the user the servers run as when we are root.
    directory = Path(tempfile.mkdtemp(prefix="hogsend-test-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _postgres() -> Iterator[str]:
    """An embedded server; nobody pulls its plug, so it need not wait for the disk."""
    with _data_directory() as directory:
        server = PostgresServer.prepare(directory)
        relaxed = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300"]
        with _running(server, *relaxed):
            server.ensure_database()
            yield server.dsn


@contextmanager
def _valkey() -> Iterator[str]:
    with _data_directory() as directory:
        server = ValkeyServer.prepare(directory)
        with _running(server):
            yield server.url


@contextmanager
def _running(server: Server, *options: str) -> Iterator[None]:
    user, group = server.run_as or (None, None)
    process = subprocess.Popen(
        [*server.command(), *options],
        user=user,
        group=group,
        extra_groups=None if group is None else [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        server.wait_ready(_READY_SECONDS)
        yield
    finally:
        process.send_signal(server.stop_signal)
        process.wait(timeout=_READY_SECONDS)
