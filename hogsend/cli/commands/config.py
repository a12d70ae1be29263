"""``hogsend config``: the environment, checked before a process has to refuse it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from hogsend import settings as environment
from hogsend.cli.config import CommandLine, pass_line
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import ConfigError
from hogsend.settings import Mode, Settings, settings_of
from hogsend.settings.declare import MODES

F = TypeVar("F", bound=Callable[..., Any])


def _mode_option(default: Mode) -> Callable[[F], F]:
    return click.option(
        "--mode", type=click.Choice(MODES), default=default, show_default=True, help="Who uses it."
    )


@click.group(cls=Group)
def config() -> None:
    """Check, show and document settings."""


@config.command()
@_mode_option("api")
@json_option
@pass_line
@click.pass_context
def check(ctx: click.Context, line: CommandLine, *, mode: str, as_json: bool) -> None:
    """Say everything that is wrong with this environment; exit code 1 if anything is."""
    problems: tuple[str, ...] = ()
    warnings: list[str] = []
    try:
        warnings = environment.load(line.environ, mode=cast(Mode, mode)).warnings()
    except ConfigError as error:
        problems = cast("tuple[str, ...]", error.context["problems"])
    if as_json:
        print_json({"ok": not problems, "mode": mode, "problems": problems, "warnings": warnings})
    else:
        for problem in problems:
            click.echo(f"error: {problem}", err=True)
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
        if not problems:
            click.echo(f"ok: {mode} can start with this environment")
    ctx.exit(1 if problems else 0)


@config.command()
@_mode_option("cli")
@click.option("--all", "show_all", is_flag=True, help="Also what is at its default.")
@json_option
@pass_line
def show(line: CommandLine, *, mode: str, show_all: bool, as_json: bool) -> None:
    """Show the values a process would see; secrets only as set or unset."""
    loaded = environment.load(line.environ, mode=cast(Mode, mode))
    rows = []
    for declared in settings_of(Settings):
        names = {declared.name, *declared.aliases}
        source = next(iter(sorted(names & loaded.provided)), None)
        value = getattr(loaded, declared.attribute)
        if declared.is_secret:
            value = "(set)" if source else None
        if source or show_all:
            rows.append((declared.name, value, source or "default"))
    if as_json:
        print_json({name: {"value": value, "source": source} for name, value, source in rows})
    else:
        print_table(("Variable", "Value", "Source"), rows)


@config.command()
@click.option("--check", "do_check", is_flag=True, help="Exit 1 unless the page is up to date.")
@click.option("--write", "do_write", is_flag=True, help="Write the page.")
@click.option(
    "--path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("docs/environment.md"),
    show_default=True,
    help="The page.",
)
@click.pass_context
def docs(ctx: click.Context, *, do_check: bool, do_write: bool, path: Path) -> None:
    """Print the reference of all settings, or write or check the page that holds it."""
    from hogsend.settings.reference import render_reference

    text = render_reference()
    if do_write:
        path.write_text(text, encoding="utf-8")
    elif not do_check:
        click.echo(text, nl=False)
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        click.echo(f"error: {path} is out of date; run `hogsend config docs --write`", err=True)
        ctx.exit(1)
