"""Commands that open the database: keys, outbox, studio admin."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from hogsend.access.admins import authenticate
from hogsend.db import Database, Query
from hogsend.outbox import store
from tests.unit.cli.conftest import Cli

_PASSWORD = "correct horse battery"


@pytest.fixture
def line(dsn: str, tmp_path: Path) -> Cli:
    """A command line with DATABASE_URL set."""
    made = Cli(tmp_path)
    made.environ = {"DATABASE_URL": dsn}
    return made


def count(database: Database, table: str) -> int:
    return int(database.run(Query("count", f'SELECT count(*) FROM "{table}"'))[0][0])


def test_keys_create_shows_the_key_once_and_stores_only_its_hash(
    line: Cli, database: Database
) -> None:
    created = line.run("keys", "create", "backend", "--scope", "ingest", "--scope", "read")

    assert created.exit_code == 0, created.output
    key = created.stdout.strip()
    assert key.startswith("hsk_")
    assert "shown once" in created.stderr
    listed = line.run("keys", "list")
    assert "backend" in listed.stdout
    assert key not in listed.stdout
    stored = str(database.run(Query("keys", "SELECT * FROM api_keys")))
    assert key not in stored


def test_keys_publishable_without_origin_is_refused(line: Cli, database: Database) -> None:
    result = line.run("keys", "create", "site", "--publishable")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert count(database, "api_keys") == 0


def test_keys_revoke_once_then_unknown_is_an_error(line: Cli) -> None:
    made = line.run_json("keys", "create", "old")

    assert line.run_json("keys", "revoke", made["id"]) == {"revoked": made["id"]}

    (listed,) = line.run_json("keys", "list")
    assert listed["revokedAt"].endswith("Z")
    unknown = line.run("keys", "revoke", str(uuid4()))
    assert unknown.exit_code == 1
    assert "there is no key" in unknown.stderr
    assert line.run("keys", "revoke", "not-a-uuid").exit_code == 2


def test_outbox_status_list_and_retry(line: Cli, database: Database) -> None:
    ids = []
    for subject in ("a", "b", "c"):
        row = store.insert_row(database, topic="t", subject=subject, payload={"n": 1})
        assert row is not None
        store.park_row(database, row, error=f"broken {subject}")
        ids.append(row)

    assert line.run_json("outbox", "status") == {"waiting": 0, "oldestSeconds": 0.0, "parked": 3}
    listed = line.run("outbox", "list", "--limit", "2")
    assert "broken c" in listed.stdout
    assert "broken a" not in listed.stdout
    older = line.run_json("outbox", "list", "--before", str(ids[1]))
    assert [row["id"] for row in older] == [ids[0]]
    assert older[0]["last_error"] == "broken a"

    one = line.run_json("outbox", "retry", str(ids[0]), "999999")
    rest = line.run("outbox", "retry", "--all")

    assert one == {"retried": [ids[0]]}
    assert rest.stdout == "retried 2 of 2\n"
    assert store.measure_backlog(database).parked == 0
    assert store.measure_backlog(database).waiting == 3


@pytest.mark.parametrize("arguments", [[], ["1", "--all"]])
def test_outbox_retry_says_what_to_pass(line: Cli, arguments: list[str]) -> None:
    result = line.run("outbox", "retry", *arguments)

    assert result.exit_code == 1
    assert "pass ids, or --all" in result.stderr


def test_studio_admin_life(line: Cli, database: Database) -> None:
    created = line.run_json(
        *("studio", "admin", "create", "--email", "Ada@Example.com", "--password", _PASSWORD)
    )
    assert created["action"] == "create"
    assert set(created["admin"]) == {"id", "email", "name", "createdAt"}
    assert created["admin"]["email"] == "ada@example.com"
    assert authenticate(database, email="ada@example.com", password=_PASSWORD) is not None

    reset = line.run_json(
        *("studio", "admin", "reset-password", "--email", "ada@example.com"),
        *("--password", "another long one"),
    )
    assert (reset["action"], reset["revokedSessions"]) == ("reset", True)
    assert authenticate(database, email="ada@example.com", password=_PASSWORD) is None
    assert authenticate(database, email="ada@example.com", password="another long one") is not None

    line.run("studio", "admin", "create", "--email", "b@example.com", "--password", _PASSWORD)
    listed = line.run_json("studio", "admin", "list")
    assert [admin["email"] for admin in listed] == ["ada@example.com", "b@example.com"]
    assert _PASSWORD not in json.dumps(listed)

    removed = line.run_json("studio", "admin", "remove", "--email", "ada@example.com")
    assert removed["action"] == "remove"
    assert count(database, "user") == 1
    assert count(database, "account") == 1


def test_studio_admin_reset_ends_sessions_unless_told_otherwise(
    line: Cli, database: Database
) -> None:
    made = line.run_json(
        "studio", "admin", "create", "--email", "a@example.com", "--password", _PASSWORD
    )
    open_session = Query.parse(
        "session",
        "INSERT INTO session (id, token, user_id, expires_at)"
        " VALUES (:id, :id, :user, now() + interval '1 day')",
    )
    reset = ("studio", "admin", "reset", "--email", "a@example.com", "--password", _PASSWORD)
    database.run(open_session, id="s1", user=made["admin"]["id"])

    kept = line.run(*reset, "--no-revoke")
    assert "sessions left open" in kept.stdout
    assert count(database, "session") == 1
    ended = line.run(*reset)

    assert "every session ended" in ended.stdout
    assert count(database, "session") == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["create", "--email", "a@example.com", "--password", "short"], "8"),
        (["create", "--email", "nobody", "--password", _PASSWORD], "not a mail address"),
        (["create", "--password", _PASSWORD], "--email is missing"),
        (["create", "--email", "a@example.com"], "--password is missing"),
        (["reset", "--email", "x@example.com", "--password", _PASSWORD], "studio admin create"),
        (["remove", "--email", "x@example.com"], "is no administrator"),
    ],
)
def test_studio_admin_mistakes_are_explained_and_change_nothing(
    line: Cli, database: Database, arguments: list[str], problem: str
) -> None:
    result = line.run("studio", "admin", *arguments)

    assert result.exit_code == 1
    assert problem in result.stderr
    assert count(database, "user") == 0


def test_studio_admin_address_taken_points_to_reset(line: Cli) -> None:
    create = ("studio", "admin", "create", "--email", "a@example.com", "--password", _PASSWORD)
    line.run(*create)

    again = line.run(*create, "--json")

    assert again.exit_code == 1
    assert "studio admin reset" in json.loads(again.stdout)["error"]


def test_studio_admin_last_one_cannot_be_removed(line: Cli, database: Database) -> None:
    line.run("studio", "admin", "create", "--email", "a@example.com", "--password", _PASSWORD)

    result = line.run("studio", "admin", "remove", "--email", "a@example.com")

    assert result.exit_code == 1
    assert "last administrator" in result.stderr
    assert count(database, "user") == 1


def test_database_commands_say_what_is_wrong_with_the_database(line: Cli) -> None:
    line.environ = {}
    unset = line.run("keys", "list")
    dotenv = line.directory / ".env"
    dotenv.write_text("DATABASE_URL=postgresql://me@localhost/never-read\n")
    still_unset = line.run("keys", "list")
    gone = line.run("keys", "list", "--database-url", "postgresql://me@127.0.0.1:1/db")

    assert [r.exit_code for r in (unset, still_unset, gone)] == [1, 1, 1]
    assert "DATABASE_URL is not set" in unset.stderr
    assert "DATABASE_URL is not set" in still_unset.stderr
    assert "127.0.0.1:1" in gone.stderr


def test_database_commands_without_schema_point_to_migrate(line: Cli, empty_dsn: str) -> None:
    result = line.run("keys", "list", "--database-url", empty_dsn)

    assert result.exit_code == 1
    assert "hogsend migrate" in result.stderr
