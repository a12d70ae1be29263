"""The schema all migrations together make: queries fit it, and the probe knows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hogsend.db import Database, DatabaseOptions, Query, QueryFile
from hogsend.db.migration_files import load_engine_track
from hogsend.db.queries import find_query_files
from hogsend.db.schema_version import probe
from hogsend.db.session import Session
from tests.conftest import new_database

_QUERIES = [(file, name) for file in find_query_files() for name in file]


@pytest.fixture(scope="module")
def session(postgres_url: str, template_database: str) -> Iterator[Session]:
    """One session for all queries: preparing changes nothing."""
    with (
        new_database(postgres_url, f"TEMPLATE {template_database}") as url,
        Session(DatabaseOptions(url=url)) as opened,
    ):
        yield opened


@pytest.mark.parametrize(
    ("file", "name"),
    _QUERIES,
    ids=[f"{f.package.removeprefix('hogsend.')}-{n}" for f, n in _QUERIES],
)
def test_query_can_be_prepared_on_the_migrated_schema(
    session: Session, file: QueryFile, name: str
) -> None:
    query = file[name]

    session.script(f"PREPARE checked AS {query.sql}")

    session.script("DEALLOCATE checked")


def test_probe_migrated_database_is_in_sync(database: Database) -> None:
    status = probe(database)

    assert status.in_sync
    assert status.engine.applied == status.engine.required == load_engine_track()[-1].name


def test_probe_database_without_ledger_has_everything_pending(empty_dsn: str) -> None:
    db = Database(DatabaseOptions(url=empty_dsn))

    status = probe(db)

    assert not status.in_sync
    assert status.engine.applied is None
    assert status.engine.pending == tuple(m.name for m in load_engine_track())
    db.close()


def test_every_table_is_in_public_and_every_function_in_hogsend(database: Database) -> None:
    outside = database.run(
        Query(
            "outside",
            "SELECT n.nspname || '.' || c.relname FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname NOT IN ('public', 'pg_catalog',"
            " 'information_schema') AND n.nspname || '.' || c.relname <> 'hogsend.migrations'",
        )
    )
    functions = database.run(
        Query(
            "functions",
            "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname = 'public'"
            " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid"
            " AND d.deptype = 'e')",
        )
    )

    assert outside == []
    assert functions == []


def test_versioned_functions_end_in_a_version(database: Database) -> None:
    rows = database.run(
        Query(
            "names",
            "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname = 'hogsend' AND p.proname !~ '_v[0-9]+$'",
        )
    )

    assert rows == []
