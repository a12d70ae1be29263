"""Names, headers and safety rules of the files in migrations/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hogsend.db.migration_files import (
    BREAKPOINT,
    load_client_track,
    load_engine_track,
    make_migration,
)
from hogsend.errors import ConfigError

_FOLDER = Path(__file__).parents[2] / "migrations"
_FILES = sorted(_FOLDER.glob("*"))


def test_migrations_folder_has_only_well_named_files() -> None:
    names = [file.name for file in _FILES]

    assert names
    assert [n for n in names if not re.fullmatch(r"\d{4}_[a-z0-9]+(_[a-z0-9]+)+\.sql", n)] == []


def test_migrations_numbers_are_unique() -> None:
    numbers = [file.name[:4] for file in _FILES]

    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_migration_says_phase_why_and_lock_in_its_first_lines(file: Path) -> None:
    lines = file.read_text().splitlines()

    assert re.fullmatch(r"-- phase: (expand|contract|data)", lines[0])
    assert re.match(r"-- why: \S", lines[1])
    assert re.match(r"-- lock: \S", lines[2])


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_migration_leaves_transactions_and_settings_to_the_migrator(file: Path) -> None:
    code = re.sub(r"--[^\n]*|\$\$.*?\$\$", "", file.read_text(), flags=re.DOTALL)

    assert not re.search(r"(?im)^\s*(BEGIN|COMMIT|ROLLBACK)\s*;", code)
    assert not re.search(r"(?i)\bSET\s+(search_path|lock_timeout|statement_timeout)\b", code)
    if re.search(r"(?i)\bCONCURRENTLY\b", code):
        assert not make_migration(1, file.stem, file.read_text()).is_transactional


def test_load_engine_track_is_the_folder_in_order() -> None:
    track = load_engine_track()

    assert [migration.name for migration in track] == [file.stem for file in _FILES]
    assert [m.version for m in track] == sorted(m.version for m in track)


def test_make_migration_no_transaction_counts_among_leading_comments_only() -> None:
    marked = make_migration(1, "a", f"-- phase: expand\n-- no-transaction\nA;\n{BREAKPOINT}\nB;")
    unmarked = make_migration(1, "a", "SELECT 1;\n-- no-transaction\nSELECT 2;")

    assert (marked.is_transactional, marked.statements) == (
        False,
        ("-- phase: expand\n-- no-transaction\nA;", "B;"),
    )
    assert unmarked.is_transactional


def test_load_client_track_without_folder_or_journal_is_empty(tmp_path: Path) -> None:
    assert load_client_track(None) == ()
    assert load_client_track(tmp_path / "missing") == ()
    assert load_client_track(tmp_path) == ()


@pytest.mark.parametrize(
    ("journal", "problem"),
    [
        ("[]", "is not a migration journal"),
        ('{"entries": [{"idx": "x", "tag": "a"}]}', "is not a migration journal"),
        ('{"entries": [{"idx": 0, "tag": "missing"}]}', "does not exist"),
        ('{"entries": [{"idx": 0, "tag": "../outside"}]}', "does not exist"),
        ('{"entries": [{"idx": 0, "tag": "a"}, {"idx": 0, "tag": "a"}]}', "occurs twice"),
    ],
)
def test_load_client_track_broken_is_refused_with_the_place(
    tmp_path: Path, journal: str, problem: str
) -> None:
    folder = tmp_path / "client"
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "_journal.json").write_text(journal)
    (folder / "a.sql").write_text("SELECT 1")
    (tmp_path / "outside.sql").write_text("SELECT 1")

    with pytest.raises(ConfigError, match=problem):
        load_client_track(folder)
