"""What the documentation tells people to type is what the program takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hogsend import settings as environment
from hogsend.cli.main import cli
from hogsend.container.api import build_api
from hogsend.entry import MODES
from hogsend.settings.declare import settings_of
from hogsend.settings.model import Settings
from tests.docs.commands import Call, calls_of, find_fault
from tests.docs.pages import PAGES, ROOT, name_of

CALLS = [call for page in PAGES for call in calls_of(page)]
# Typed as they stand in an empty directory they change nothing but that directory.
_HARMLESS = (["config", "check"], ["config", "show"], ["templates", "list"], ["templates", "lint"])
HARMLESS = sorted(
    {call.arguments for call in CALLS if [*call.arguments[:2]] in _HARMLESS and call.is_whole}
    | {call.arguments for call in CALLS if call.arguments[:1] in {("version",), ("init",)}}
    | {("--help",), ("--version",), ("config", "docs", "--check")}
)
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://app:pw@127.0.0.1:1/app",
    "BETTER_AUTH_SECRET": "x" * 32,
    "HOGSEND_ORCHESTRATOR": "local",
}
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_PATH = re.compile(r"(?:(GET|POST|PUT|PATCH|DELETE) |`)(/(?:v1|api|studio|metrics)\b[\w/{}.*-]*)")
# Read by others than the settings: the archive's runner, compose, the commands, the tests.
_FOREIGN_VARIABLES = {
    "SHIV_ROOT", "HOGSEND_IMAGE", "HOGSEND_API_URL", "HOGSEND_API_KEY",
    "HATCHET_URL", "HATCHET_ADMIN_EMAIL", "HATCHET_ADMIN_PASSWORD",
}  # fmt: skip
_FOREIGN_PREFIXES = ("HOGSEND_BENCH_", "HOGSEND_TEST_")


def _commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _commands(inner, (*path, name))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_call_on_the_page_is_one_that_the_program_takes(page: Path) -> None:
    faults = [f"{call}: {fault}" for call in calls_of(page) if (fault := find_fault(call))]

    assert faults == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("journey",),
        ("outbox", "rtry"),
        ("doctor", "--modus", "api"),
        ("keys", "revoke"),
        ("version", "now"),
        ("api", "--port", "1"),
        ("migrate", "--force"),
    ],
)
def test_call_that_the_program_refuses_is_found(arguments: tuple[str, ...]) -> None:
    assert find_fault(Call(page="any", arguments=arguments, is_whole=True)) is not None


@pytest.mark.parametrize("mode", MODES)
def test_mode_is_called_somewhere(mode: str) -> None:
    assert any(call.arguments[:1] == (mode,) for call in CALLS)


@pytest.mark.parametrize("path", sorted(_commands()), ids=" ".join)
def test_command_explains_itself_and_is_called_somewhere(path: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli, [*path, "--help"])

    assert answer.exit_code == 0
    assert any(call.arguments[: len(path)] == path for call in CALLS)


@pytest.mark.parametrize("arguments", HARMLESS, ids=" ".join)
def test_harmless_call_runs(arguments: tuple[str, ...], tmp_path: Path) -> None:
    is_about_us = arguments == ("config", "docs", "--check")
    done = subprocess.run(
        [sys.executable, "-m", "hogsend", *arguments],
        cwd=ROOT if is_about_us else tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_path_on_the_page_is_served(page: Path) -> None:
    served = _served_paths()
    text = page.read_text("utf-8")

    wrong = [
        f"{method or 'any'} {path}"
        for method, path in _PATH.findall(text)
        if not any(
            (not method or method == known) and pattern.fullmatch(path.rstrip("."))
            for known, pattern in served
        )
    ]

    assert wrong == [] or page.name in ("CHANGELOG.md", "compatibility.md")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_variable_on_the_page_exists(page: Path) -> None:
    known = set(_FOREIGN_VARIABLES)
    for declared in settings_of(Settings):
        known |= {declared.name, f"{declared.name}_FILE", *declared.aliases}

    text = page.read_text("utf-8")

    unknown = {
        name
        for name in _VARIABLE.findall(text)
        if name not in known and not name.startswith(_FOREIGN_PREFIXES)
    }
    assert unknown == set()


def _served_paths() -> list[tuple[str, re.Pattern[str]]]:
    container = build_api(
        environment.load({**ENVIRONMENT, "HOGSEND_METRICS_PORT": "0"}, mode="api")
    )
    try:
        return [
            (route.method, re.compile(re.sub(r"\\{[^}]*\\}", r"[^/]+", re.escape(route.path))))
            for route in container.routes
        ]
    finally:
        container.close()
