"""Servers of a bench: PostgreSQL (durable settings), Valkey, and an instance on them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.migrator import migrate
from hogsend.embedded import PostgresServer, Server, ValkeyServer
from tests.acceptance.engines import Engine, LocalEngine, RealEngine
from tests.acceptance.instance import Instance

_TRANSACTIONS = Query(
    "transactions", "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
)


@dataclass(slots=True, kw_only=True)
class Stack:
    """Two servers; every bench makes itself an instance on a fresh database."""

    postgres: PostgresServer
    postgres_pid: int
    valkey: ValkeyServer
    directory: Path
    is_large: bool = False
    made: int = 0

    @contextmanager
    def instance(self, engine: Engine, **environ: str) -> Iterator[Instance]:
        """An instance nobody started yet, on an empty migrated database."""
        self.made += 1
        name = f"bench_{self.made}"
        with ExitStack() as closing:
            admin = Database(DatabaseOptions(url=self.postgres.dsn, pool_size=1))
            closing.callback(admin.close)
            admin.run(Query("create", f"CREATE DATABASE {name}"))
            dsn = self.postgres.dsn.replace("/hogsend?", f"/{name}?")
            migrate(DatabaseOptions(url=dsn))
            database = Database(DatabaseOptions(url=dsn))
            closing.callback(database.close)
            directory = self.directory / name
            directory.mkdir()
            made = Instance(
                dsn=dsn,
                redis_url=self.valkey.url,
                database=database,
                directory=directory,
                engine={
                    **engine.environ,
                    "HOGSEND_LEASE_SECONDS": "60",
                    "HOGSEND_OUTBOX_RESUBMIT_SECONDS": "60",
                    "DATABASE_POOL_MAX": "20",
                    **environ,
                },
            )
            closing.callback(made.stop)
            yield made


def transactions(instance: Instance) -> int:
    """Commits so far; each autocommit statement is one."""
    instance.database.run(Query("flush", "SELECT pg_stat_clear_snapshot()"))
    count: int = instance.database.run(_TRANSACTIONS)[0][0]
    return count


def engines(environ: Mapping[str, str]) -> list[tuple[str, Engine]]:
    """``local`` always, ``hatchet`` where a real engine is given."""
    found: list[tuple[str, Engine]] = [("local", LocalEngine(namespace=""))]
    if environ.get("HOGSEND_TEST_HATCHET_TOKEN"):
        found.append(("hatchet", RealEngine(namespace=f"bench{os.getpid()}")))
    return found


@contextmanager
def running_stack(*, is_large: bool = False) -> Iterator[Stack]:
    """Start both servers in a temporary directory; ``is_large`` asks benches for long cases too."""
    directory = Path(tempfile.mkdtemp(prefix="hogsend-bench-"))
    directory.chmod(0o755)
    with ExitStack() as closing:
        closing.callback(shutil.rmtree, directory, ignore_errors=True)
        postgres = PostgresServer.prepare(directory / "servers")
        process = _start(postgres, closing)
        postgres.ensure_database()
        valkey = ValkeyServer.prepare(directory / "servers")
        _start(valkey, closing)
        yield Stack(
            postgres=postgres,
            postgres_pid=process.pid,
            valkey=valkey,
            directory=directory,
            is_large=is_large,
        )


def _start(server: Server, closing: ExitStack) -> subprocess.Popen[bytes]:
    user, group = server.run_as or (None, None)
    process = subprocess.Popen(
        server.command(),
        user=user,
        group=group,
        extra_groups=None if group is None else [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )

    def stop() -> None:
        process.send_signal(server.stop_signal)
        process.wait(timeout=30)

    closing.callback(stop)
    server.wait_ready(30)
    return process
