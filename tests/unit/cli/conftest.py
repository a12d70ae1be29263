"""Runs commands in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hogsend.cli.config import CommandLine
from hogsend.cli.main import cli
from tests.fakes.http_api import HttpApi


class Cli:
    """``run`` calls one command with a given environment and directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ: dict[str, str] = {}

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        line = CommandLine(environ=self.environ, directory=self.directory)
        return CliRunner().invoke(cli, list(arguments), obj=line, input=stdin)

    def run_json(self, *arguments: str) -> Any:
        """The parsed answer of a command that must succeed."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def line(tmp_path: Path) -> Cli:
    """A command line in an empty directory, with nothing set."""
    return Cli(tmp_path)


@pytest.fixture
def api() -> Iterator[HttpApi]:
    """An API that answers what the test says."""
    fake = HttpApi()
    try:
        yield fake
    finally:
        fake.close()
