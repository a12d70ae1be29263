"""The .sql loader: placeholders, headers, whole files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hogsend.db import QueryFile
from hogsend.db.queries import Query, find_query_files


@pytest.mark.parametrize(
    ("text", "sql", "parameters"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT :a::text", "SELECT $1::text", ("a",)),
        ("SELECT CAST(:p AS jsonb);\n", "SELECT CAST($1 AS jsonb)", ("p",)),
        ("SELECT ':a', \":b\"", "SELECT ':a', \":b\"", ()),
        ("SELECT 'it''s :a' || :b", "SELECT 'it''s :a' || $1", ("b",)),
        ("SELECT 1 -- :a 'quote\n, :b", "SELECT 1 -- :a 'quote\n, $1", ("b",)),
        ("SELECT /* :a ' */ :b", "SELECT /* :a ' */ $1", ("b",)),
        ("SELECT $$ :a $$, :b", "SELECT $$ :a $$, $1", ("b",)),
        ("SELECT $x$ :a $$ $x$, :b", "SELECT $x$ :a $$ $x$, $1", ("b",)),
        ("SELECT f(x := :a)", "SELECT f(x := $1)", ("a",)),
        ("SELECT '12:30', arr[1:2], :_a1", "SELECT '12:30', arr[1:2], $1", ("_a1",)),
    ],
)
def test_query_parse_replaces_real_placeholders_only(
    text: str, sql: str, parameters: tuple[str, ...]
) -> None:
    query = Query.parse("example", text)

    assert (query.sql, query.parameters) == (sql, parameters)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package ``sql_example`` to put files into."""
    folder = tmp_path / "sql_example"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sql_example", raising=False)
    return folder


def test_query_file_gives_queries_by_name(package: Path) -> None:
    (package / "some.sql").write_text(
        "-- a preface\n\n-- name: find_one\n-- One row.\nSELECT :id;\n\n--name:find_all\nSELECT 1\n"
    )

    queries = QueryFile("sql_example", "some.sql")

    assert list(queries) == ["find_one", "find_all"]
    assert queries["find_one"].parameters == ("id",)
    assert queries["find_all"].sql == "SELECT 1"


def test_query_file_unknown_name_lists_what_there_is(package: Path) -> None:
    (package / "some.sql").write_text("-- name: find_one\nSELECT 1\n")
    queries = QueryFile("sql_example", "some.sql")

    with pytest.raises(KeyError, match=r"no query 'find_two'.*it has: find_one"):
        queries["find_two"]


def test_query_file_name_twice_is_refused(package: Path) -> None:
    (package / "some.sql").write_text("-- name: a\nSELECT 1\n-- name: a\nSELECT 2\n")

    with pytest.raises(ValueError, match=r"query 'a' appears twice in sql_example/some\.sql"):
        QueryFile("sql_example", "some.sql")


def test_find_query_files_walks_subpackages_and_skips_migrations(package: Path) -> None:
    for folder in ("inner", "_migrations"):
        (package / folder).mkdir()
        (package / folder / "__init__.py").touch()
        (package / folder / "q.sql").write_text(f"-- name: in_{folder}\nSELECT 1\n")
    (package / "plain.sql").write_text("SELECT 'no header'")

    found = find_query_files("sql_example")

    assert [name for file in found for name in file] == ["in_inner"]


def test_find_query_files_finds_those_of_hogsend() -> None:
    found = {(file.package, file.file_name) for file in find_query_files()}

    assert {("hogsend.outbox", "outbox.sql"), ("hogsend.db", "locks.sql")} <= found
