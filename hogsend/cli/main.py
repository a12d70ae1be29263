"""The command ``hogsend``: looks at the first word, imports only what it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from hogsend.cli.config import CommandLine
from hogsend.cli.lazy import LazyGroup

_HOME = "hogsend.cli.commands"
COMMANDS = {
    "config": (f"{_HOME}.config:config", "Check, show and document settings."),
    "contacts": (f"{_HOME}.contacts:contacts", "Look people up."),
    "conversions": (f"{_HOME}.conversions:conversions", "Look at what converted."),
    "demo": (f"{_HOME}.demo:command", "Send a real event and follow it to the inbox."),
    "doctor": (f"{_HOME}.doctor:doctor", "Find out what is wrong with an installation."),
    "domain": (f"{_HOME}.domain:domain", "Set up the domain that mail is sent from."),
    "events": (f"{_HOME}.events:events", "Send events."),
    "hatchet": (f"{_HOME}.hatchet:hatchet", "Make a token of a Hatchet engine."),
    "init": (f"{_HOME}.init:init", "Write a small working app."),
    "journeys": (f"{_HOME}.journeys_group:journeys", "Look at journeys and people inside."),
    "keys": (f"{_HOME}.keys:keys", "Create, list and revoke API keys."),
    "outbox": (f"{_HOME}.outbox:outbox", "Look at parked work and retry it."),
    "restore": (f"{_HOME}.restore:restore", "Accept or fence a restored database."),
    "studio": (f"{_HOME}.studio:studio", "Manage administrators."),
    "templates": (f"{_HOME}.templates:templates", "List, check and preview mail templates."),
    "version": (f"{_HOME}.version:version", "Print versions."),
}
_MODES = """\b
Modes:
  api         HTTP, port 3002
  worker      runs journeys; no port
  migrate     brings the database up to date, then exits
  supervisor  one machine: databases if there are none, migrate, api and worker

Exit codes: 0 success, 1 failure, 2 wrong usage.
"""

cli = LazyGroup(
    name="hogsend",
    lazy=COMMANDS,
    help="Lifecycle messaging: events in, durable journeys in plain Python, email out.",
    epilog=_MODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command; returns the exit code and never raises for the user's mistakes."""
    line = CommandLine(environ=environ, directory=Path.cwd())
    try:
        code = cli.main(
            args=list(argv) or ["--help"], prog_name="hogsend", obj=line, standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Aborted.", err=True)
        return 130
    return code if isinstance(code, int) else 0
