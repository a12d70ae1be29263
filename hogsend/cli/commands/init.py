"""``hogsend init``: a small working app to begin with."""

from __future__ import annotations

import pkgutil
import shlex
import sys
from pathlib import Path
from string import Template

import click

from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json
from hogsend.errors import Conflict

# Sources end in .txt so that no tool takes them for code of this package.
_FILES = {
    "README.md": "README.md.txt",
    "lifecycle.py": "lifecycle.py.txt",
    "templates/first-week/welcome.html": "templates/first-week/welcome.html",
    "templates/first-week/nudge.html": "templates/first-week/nudge.html",
    "tests/test_lifecycle.py": "tests/test_lifecycle.py.txt",
}


@click.command(cls=Command)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path("app"))
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@json_option
def init(*, directory: Path, force: bool, as_json: bool) -> None:
    """Write one journey, its mails, a test and a README into DIRECTORY (default: app)."""
    taken = [name for name in _FILES if (directory / name).exists()]
    if taken and not force:
        raise Conflict(
            f"{directory} has {', '.join(taken)} already",
            hint="choose another directory, or pass --force to replace them",
        )
    for name, source in _FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_read(source, directory), encoding="utf-8")
    if as_json:
        print_json({"directory": directory, "files": list(_FILES), "app": "lifecycle:app"})
        return
    for name in _FILES:
        click.echo(f"wrote {directory / name}")
    click.echo(f"next: {directory / 'README.md'}")


def _read(source: str, directory: Path) -> str:
    data = pkgutil.get_data("hogsend.cli", f"scaffold/{source}")
    assert data is not None, source
    text = data.decode("utf-8")
    if not source.startswith("README"):
        return text
    return Template(text).substitute(directory=shlex.quote(str(directory)), hogsend=_invocation())


def _invocation() -> str:
    """How this command was called, to be called again."""
    program = Path(sys.argv[0])
    return f"python {shlex.quote(str(program))}" if program.suffix == ".pyz" else "hogsend"
