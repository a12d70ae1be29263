"""``hogsend config``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli

_SECRET = "a secret that is long enough for tests"
_API = {
    "DATABASE_URL": "postgresql://me:hidden@localhost/db",
    "REDIS_URL": "redis://localhost",
    "BETTER_AUTH_SECRET": _SECRET,
    "HOGSEND_ORCHESTRATOR": "local",
}


def test_config_check_complete_environment_is_ok(line: Cli) -> None:
    line.environ = _API

    result = line.run("config", "check")

    assert result.exit_code == 0
    assert result.stdout == "ok: api can start with this environment\n"


def test_config_check_names_every_problem_at_once_and_exits_one(line: Cli) -> None:
    line.environ = {"PORT": "many", "REDIS_URL": "redis://localhost"}

    result = line.run("config", "check")

    assert result.exit_code == 1
    for name in ("DATABASE_URL", "BETTER_AUTH_SECRET", "PORT"):
        assert name in result.stderr
    assert result.stdout == ""


def test_config_check_json_carries_problems_and_keeps_exit_code(line: Cli) -> None:
    result = line.run("config", "check", "--mode", "migrate", "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert answer["ok"] is False
    assert answer["mode"] == "migrate"
    assert any("DATABASE_URL" in problem for problem in answer["problems"])


def test_config_check_migrate_needs_only_a_database(line: Cli) -> None:
    line.environ = {"DATABASE_URL": _API["DATABASE_URL"]}

    assert line.run("config", "check", "--mode", "migrate").exit_code == 0


@pytest.mark.parametrize("as_json", [True, False])
def test_config_show_never_prints_a_secret(line: Cli, as_json: bool) -> None:
    line.environ = _API

    result = line.run("config", "show", "--all", *(["--json"] if as_json else []))

    assert result.exit_code == 0
    assert "BETTER_AUTH_SECRET" in result.stdout
    assert _SECRET not in result.output
    assert "hidden" not in result.output


def test_config_docs_check_says_when_the_page_is_stale(line: Cli, tmp_path: Path) -> None:
    page = tmp_path / "environment.md"
    stale = line.run("config", "docs", "--check", "--path", str(page))
    written = line.run("config", "docs", "--write", "--path", str(page))
    fresh = line.run("config", "docs", "--check", "--path", str(page))

    assert (stale.exit_code, written.exit_code, fresh.exit_code) == (1, 0, 0)
    assert "config docs --write" in stale.stderr
