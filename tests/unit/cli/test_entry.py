"""The first word: modes, commands, wrong usage; and what gets imported for it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from hogsend import __version__
from hogsend.cli.main import COMMANDS, cli, run
from hogsend.entry import main
from tests.unit.cli.conftest import Cli

_ROOT = Path(__file__).parents[3]


def test_every_listed_command_can_be_imported_and_explains_itself(line: Cli) -> None:
    for name in COMMANDS:
        result = line.run(name, "--help")

        assert result.exit_code == 0, name
        assert "Usage:" in result.stdout


def test_help_lists_commands_and_modes(capsys: pytest.CaptureFixture[str]) -> None:
    code = run([], {})

    out = capsys.readouterr().out
    assert code == 0
    assert all(name in out for name in [*COMMANDS, "supervisor", "migrate"])


@pytest.mark.parametrize("arguments", [["nonsense"], ["config", "nonsense"], ["version", "--no"]])
def test_wrong_usage_exits_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = run(arguments, {})

    assert code == 2
    assert "Error:" in capsys.readouterr().err


def test_version_for_people_and_programs(line: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert line.run("version").stdout.startswith(f"hogsend {__version__} ")
    assert line.run_json("version") == {
        "hogsend": __version__,
        "python": platform.python_version(),
    }
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hogsend {__version__}\n"


@pytest.mark.parametrize("mode", ["api", "worker", "migrate"])
def test_mode_help_needs_no_environment(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([mode, "--help"])

    assert code == 0
    assert f"hogsend {mode}" in capsys.readouterr().out


def test_mode_without_environment_exits_one_and_names_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["migrate"])

    assert code == 1
    assert "DATABASE_URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["api"], ["DATABASE_URL", "BETTER_AUTH_SECRET", "HATCHET_CLIENT_TOKEN"]),
        (["worker"], ["DATABASE_URL", "BETTER_AUTH_SECRET", "HATCHET_CLIENT_TOKEN"]),
    ],
)
def test_mode_process_without_environment_exits_one_with_one_line_per_problem(
    arguments: list[str], expected: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hogsend", *arguments],
        cwd=_ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for name in expected:
        assert sum(name in line for line in done.stderr.splitlines()) >= 1, done.stderr


def test_cli_import_is_light() -> None:
    code = (
        "import sys, json, hogsend.cli.main; "
        "print(json.dumps([m for m in ('hatchet_sdk', 'grpc', 'falcon', 'jinja2', 'pydantic', "
        "'pydantic_core', 'pg8000', 'urllib3') if m in sys.modules]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == []


def test_cli_is_a_group_with_no_surprises() -> None:
    assert sorted(COMMANDS) == sorted(cli.list_commands(None))  # type: ignore[arg-type]  # unused
