"""Every migration leaves the release before it working; the rules themselves are tested first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hogsend import __version__
from hogsend.db.migration_files import make_migration
from tests.migration.rules import LAST_MIGRATION_OF, Known, judge, statements

ROOT = Path(__file__).parents[2]
_FILES = sorted((ROOT / "migrations").glob("*.sql"))
_RELEASED = {"0.1.0": 1}
_BEFORE = """\
CREATE TABLE people (id uuid PRIMARY KEY, email text);
CREATE UNIQUE INDEX people_email_idx ON people (email);
CREATE INDEX people_plain_idx ON people (id);
CREATE FUNCTION hogsend.name_v1() RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""


def rules_broken(body: str, phase: str = "expand") -> list[str]:
    known = Known()
    known.learn(1, _BEFORE)
    text = f"-- phase: {phase}\n-- why: x\n-- lock: x\n{body}"
    found = judge(text, known=known, releases=_RELEASED, next_version="0.2.0")
    return [finding.partition(":")[0] for finding in found]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("DROP TABLE people", "drop"),
        ("drop table if exists people cascade", "drop"),
        ("DROP VIEW mail_facts", "drop"),
        ("DROP FUNCTION hogsend.name_v1()", "drop"),
        ("DROP INDEX people_email_idx", "drop"),
        ("ALTER TABLE people DROP COLUMN email", "drop"),
        ("ALTER TABLE ONLY people ADD COLUMN a int,\n  DROP COLUMN email", "drop"),
        ("ALTER TABLE people DROP CONSTRAINT people_pkey", "drop"),
        ("ALTER TABLE people RENAME TO persons", "rename"),
        ("ALTER TABLE people RENAME COLUMN email TO mail", "rename"),
        ("ALTER INDEX people_plain_idx RENAME TO other", "rename"),
        ("ALTER TABLE people ALTER COLUMN email TYPE varchar(9)", "type"),
        ("ALTER TABLE people ALTER email SET DATA TYPE citext", "type"),
        ("ALTER TABLE people ALTER COLUMN email SET NOT NULL", "demand"),
        ("ALTER TABLE people ALTER COLUMN email DROP DEFAULT", "demand"),
        ("ALTER TABLE people ADD COLUMN age int NOT NULL", "demand"),
        ("ALTER TABLE people ADD age int NOT NULL", "demand"),
        ("ALTER TABLE people ADD COLUMN k uuid DEFAULT gen_random_uuid()", "rewrite"),
        ("ALTER TABLE people ADD COLUMN k int GENERATED ALWAYS AS (1) STORED", "rewrite"),
        ("ALTER TABLE people ADD COLUMN k int UNIQUE", "lock-index"),
        ("CREATE INDEX people_x_idx ON people (email)", "lock-index"),
        ("CREATE UNIQUE INDEX x_idx ON public.people (email)", "lock-index"),
        ("ALTER TABLE people ADD CONSTRAINT c CHECK (email <> '')", "lock-constraint"),
        ("ALTER TABLE people ADD FOREIGN KEY (id) REFERENCES others", "lock-constraint"),
        ("ALTER TABLE people ADD COLUMN o uuid REFERENCES others", "lock-constraint"),
        ("CREATE OR REPLACE FUNCTION hogsend.name_v1() RETURNS int AS $$x$$", "replace-function"),
        ("CREATE OR REPLACE FUNCTION hogsend.other_v1() RETURNS int AS $$x$$", "replace-function"),
    ],
)
def test_expand_that_breaks_the_running_release_is_refused(statement: str, rule: str) -> None:
    assert rules_broken(f"{statement};") == [rule]


@pytest.mark.parametrize(
    "body",
    [
        "ALTER TABLE people ADD COLUMN age int;",
        "ALTER TABLE people ADD COLUMN age int NOT NULL DEFAULT 0, ADD COLUMN note text;",
        "ALTER TABLE people ADD COLUMN at timestamptz NOT NULL DEFAULT now();",
        "ALTER TABLE people ALTER COLUMN email DROP NOT NULL;",
        "ALTER TABLE people SET (fillfactor = 80);",
        "ALTER TABLE people ADD CONSTRAINT c CHECK (email <> '') NOT VALID;",
        "ALTER TABLE people VALIDATE CONSTRAINT c;",
        "CREATE INDEX CONCURRENTLY people_x_idx ON people (email);",
        "DROP INDEX people_plain_idx;",
        "CREATE TABLE pets (id int NOT NULL); CREATE INDEX pets_idx ON pets (id);"
        " ALTER TABLE pets ADD COLUMN n int NOT NULL; ALTER TABLE pets DROP COLUMN n;",
        "CREATE FUNCTION hogsend.name_v2() RETURNS int AS $$ DROP TABLE people; $$;",
        "-- DROP TABLE people;\nSELECT 'DROP TABLE people; --';",
    ],
)
def test_expand_that_only_adds_is_accepted(body: str) -> None:
    assert rules_broken(body) == []


def test_exception_excuses_its_own_rule_only_and_must_say_why() -> None:
    body = "DROP TABLE people;\nALTER TABLE people RENAME TO x;"

    assert rules_broken(f"-- allow: drop: nobody ever read it\n{body}") == ["rename"]
    assert rules_broken(f"-- allow: drop:\n{body}") == ["drop", "rename"]


def test_contract_only_after_the_release_that_stopped_using_it() -> None:
    drop = "ALTER TABLE people DROP COLUMN email;"

    assert rules_broken(drop, "contract") == ["unused-since"]
    assert rules_broken(f"-- unused since: 0.2.0\n{drop}", "contract") == ["unused-since"]
    assert rules_broken(f"-- unused since: 0.1.0\n{drop}", "contract") == []


def test_data_moves_rows_and_changes_no_schema() -> None:
    assert rules_broken("UPDATE people SET email = lower(email);", "data") == []
    assert rules_broken("ALTER TABLE people ADD COLUMN x int;", "data") == ["data-changes-schema"]


def test_unknown_phase_is_refused() -> None:
    assert rules_broken("SELECT 1;", "improve") == ["phase"]


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_migration_leaves_the_release_before_it_working(file: Path) -> None:
    known = Known()
    for earlier in _FILES[: _FILES.index(file)]:
        known.learn(int(earlier.name[:4]), earlier.read_text("utf-8"))

    found = judge(file.read_text("utf-8"), known=known, next_version=__version__)

    assert found == []


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_concurrent_index_stands_alone_outside_a_transaction(file: Path) -> None:
    text = file.read_text("utf-8")
    if not re.search(r"(?i)\bCONCURRENTLY\b", " ".join(statements(text))):
        return

    migration = make_migration(1, file.stem, text)

    assert not migration.is_transactional
    assert all(len(list(statements(step))) == 1 for step in migration.statements)


def test_every_release_of_the_changelog_has_its_last_migration() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"(?m)^## (\d\S*)(?: \((?!unreleased)[^)]*\))?$", changelog)

    assert sorted(LAST_MIGRATION_OF) == sorted(released)
    assert set(LAST_MIGRATION_OF.values()) <= {int(file.name[:4]) for file in _FILES}
