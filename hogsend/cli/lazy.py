"""Groups that import a command when it is called, and commands that explain their errors."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from hogsend.cli.output import print_error
from hogsend.errors import HogsendError


class Command(click.Command):
    """A command whose HogsendError becomes a message and exit code 1.

    With ``--json`` the message is ``{"error": …}`` on standard output, else it is ``error …`` on
    standard error.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except HogsendError as error:
            print_error(error, as_json=bool(ctx.params.get("as_json")))
            ctx.exit(1)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


class LazyGroup(click.Group):
    """Knows its commands by name: ``lazy`` maps a name to (``module:attribute``, short help)."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, without importing anything."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._lazy.items()])
