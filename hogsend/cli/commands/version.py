"""``hogsend version``."""

from __future__ import annotations

import platform

import click

from hogsend import __version__
from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json


@click.command(cls=Command)
@json_option
def version(*, as_json: bool) -> None:
    """Print the version of Hogsend and of Python."""
    if as_json:
        print_json({"hogsend": __version__, "python": platform.python_version()})
    else:
        click.echo(f"hogsend {__version__} (Python {platform.python_version()})")
