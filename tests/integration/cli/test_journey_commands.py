"""``hogsend journeys`` against a database with people inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from hogsend.app import App
from hogsend.db import Database, Query
from hogsend.journeys.content import load_app
from tests.integration.journeys.world import World
from tests.unit.cli.conftest import Cli

pytestmark = pytest.mark.integration

MakeWorld = Callable[..., World]


@pytest.fixture
def line(dsn: str, tmp_path: Path) -> Cli:
    """A command line with DATABASE_URL set and the built-in example as content."""
    made = Cli(tmp_path)
    made.environ = {"DATABASE_URL": dsn}
    return made


@pytest.fixture
def world(database: Database) -> World:
    """Ada waits in the journey ``welcome`` and was refused a second entry."""
    app: App = load_app(None, Path())
    made = World(app=app, database=database)
    made.send("user.signed_up")
    made.pump()
    made.send("user.signed_up")
    made.pump()
    return made


def state_id(database: Database) -> UUID:
    found: UUID = database.run(Query("state", "SELECT id FROM journey_states"))[0][0]
    return found


def test_list_counts_people_by_state(line: Cli, world: World) -> None:
    world.sql("INSERT INTO journey_states (user_id, journey_id, status)"
              " VALUES ('bob', 'removed', 'completed')")  # fmt: skip

    rows = line.run_json("journeys", "list")

    assert rows[0] == {
        "id": "welcome", "trigger": "user.signed_up", "state": "on", "active": 0, "waiting": 1,
        "completed": 0, "exited": 0, "failed": 0, "held_out": 0,
    }  # fmt: skip
    assert (rows[1]["id"], rows[1]["state"], rows[1]["completed"]) == (
        "removed", "not in the app", 1,
    )  # fmt: skip
    world.sql("INSERT INTO journey_configs (journey_id, enabled) VALUES ('welcome', false)")
    assert "off by admin" in line.run("journeys", "list").stdout
    line.environ["ENABLED_JOURNEYS"] = ","
    assert "not in ENABLED_JOURNEYS" in line.run("journeys", "list").stdout


def test_why_not_names_the_refusal_and_the_enrollment(line: Cli, world: World) -> None:
    text = line.run("journeys", "why-not", "ada").stdout
    nobody = line.run("journeys", "why-not", "nobody").stdout

    assert "already_entered_once" in text
    assert str(state_id(world.database)) in text
    assert "first-project" in text
    assert "no journey was triggered" in nobody


def test_why_not_explains_what_left_no_trace(line: Cli, world: World) -> None:
    asked = line.run_json("journeys", "why-not", "nobody", "--journey", "welcome")
    wrong = line.run("journeys", "why-not", "ada", "--journey", "wellcome")

    assert [r["reason"] for r in asked["refusals"]] == ["never_triggered"]
    assert wrong.exit_code == 1
    assert "did you mean 'welcome'?" in wrong.stderr


def test_why_not_takes_an_address(line: Cli, world: World) -> None:
    assert "already_entered_once" in line.run("journeys", "why-not", "ada@people.test").stdout


def test_disable_and_enable_are_the_administrators_switch(line: Cli, world: World) -> None:
    off = line.run("journeys", "disable", "welcome")
    world.send("user.signed_up", "bob")

    assert (off.exit_code, off.stdout) == (0, "disabled welcome\n")
    assert world.pump() == {"journey_disabled_by_admin": 1}
    assert line.run_json("journeys", "list")[0]["state"] == "off by admin"
    on = line.run_json("journeys", "enable", "welcome")
    assert on == {"journeys": ["welcome"], "enabled": True, "offInCode": []}
    assert line.run_json("journeys", "list")[0]["state"] == "on"
    assert "did you mean 'welcome'?" in line.run("journeys", "disable", "wellcome").stderr


def test_skip_wait_moves_on_and_cancel_ends(line: Cli, world: World) -> None:
    state = str(state_id(world.database))

    assert line.run_json("journeys", "skip-wait", state) == {"skipped": [state], "refused": {}}
    world.pump()

    assert world.mailer.delivered == ["welcome", "getting-started"]
    late = line.run("journeys", "cancel", state, str(uuid4()))
    assert late.exit_code == 1
    assert "cancelled 0 of 2" in late.stdout
    assert "it is completed" in late.stderr
    assert "there is no enrollment" in late.stderr


def test_cancel_keeps_the_reason_and_resume_takes_failed_ones_only(line: Cli, world: World) -> None:
    state = str(state_id(world.database))

    assert line.run("journeys", "resume", state).exit_code == 1
    assert line.run("journeys", "cancel", state, "--reason", "asked by mail").exit_code == 0
    assert world.state("status, exit_reason") == ("exited", "asked by mail")
    world.sql("UPDATE journey_states SET status = 'failed'")

    assert line.run_json("journeys", "resume", state)["resumed"] == [state]
    assert world.state("status") == ("active",)
