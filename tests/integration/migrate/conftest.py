"""Migrations for tests: in memory, in a folder, and run by the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.migration_files import Migration, make_migration
from hogsend.db.migrator import Migrator
from hogsend.db.session import Session

_ROOT = Path(__file__).parents[3]


class ClientFolder:
    """A client track on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "meta").mkdir(parents=True)
        self._tags: list[str] = []

    def add(self, tag: str, sql: str) -> None:
        """One more file at the end of the journal."""
        (self.path / f"{tag}.sql").write_text(sql)
        self._tags.append(tag)
        entries = [
            {"idx": i, "version": "7", "when": 1_700_000_000_000 + i, "tag": tag}
            for i, tag in enumerate(self._tags)
        ]
        journal = {"version": "7", "dialect": "postgresql", "entries": entries}
        (self.path / "meta" / "_journal.json").write_text(json.dumps(journal))


@pytest.fixture
def client(tmp_path: Path) -> ClientFolder:
    """An empty client track."""
    return ClientFolder(tmp_path / "client")


def files(*texts: str) -> tuple[Migration, ...]:
    """A track of these texts, numbered from one."""
    return tuple(make_migration(n, f"{n:04d}_step", text) for n, text in enumerate(texts, start=1))


@pytest.fixture
def said() -> list[str]:
    """What the migrator told people."""
    return []


@pytest.fixture
def migrator(empty_dsn: str, said: list[str]) -> Iterator[Migrator]:
    """Works on an empty database."""
    with Session(DatabaseOptions(url=empty_dsn, statement_timeout=None)) as session:
        yield Migrator(session, say=said.append)


@pytest.fixture
def looking(empty_dsn: str) -> Iterator[Database]:
    """Another pair of eyes on the same database."""
    db = Database(DatabaseOptions(url=empty_dsn, pool_size=2))
    try:
        yield db
    finally:
        db.close()


def tables(db: Database) -> set[str]:
    """The tables of the public schema."""
    query = Query("tables", "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0] for row in db.run(query)}


def start_migrate(
    url: str, *arguments: str, folder: Path | None = None, **environ: str
) -> subprocess.Popen[str]:
    """The real command as a process."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = {"DATABASE_URL": url, **environ}
    if folder is not None:
        given["CLIENT_MIGRATIONS_FOLDER"] = str(folder)
    return subprocess.Popen(
        [sys.executable, "-m", "hogsend", "migrate", *arguments],
        cwd=_ROOT,
        env=kept | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_migrate(
    url: str, *arguments: str, folder: Path | None = None, **environ: str
) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    process = start_migrate(url, *arguments, folder=folder, **environ)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def ledger(db: Database, track: str) -> Sequence[tuple[str, bool]]:
    """Names and whether they are done, in order."""
    query = Query.parse(
        "ledger",
        "SELECT name, applied_at IS NOT NULL FROM hogsend.migrations "
        "WHERE track = :track ORDER BY version",
    )
    return [(row[0], row[1]) for row in db.run(query, track=track)]
