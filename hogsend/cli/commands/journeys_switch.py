"""``hogsend journeys enable|disable``: an administrator's switch beside the one in code."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hogsend.cli.config import CommandLine, database_option, pass_line
from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json
from hogsend.errors import InvalidInput


@click.command(cls=Command)
@click.argument("journey_ids", metavar="JOURNEY", nargs=-1, required=True)
@database_option
@json_option
@pass_line
def disable(
    line: CommandLine, *, journey_ids: Sequence[str], database_url: str | None, as_json: bool
) -> None:
    """Let nobody into JOURNEY any more, at once and on every worker; those inside go on."""
    _switch(line, journey_ids, database_url, enabled=False, as_json=as_json)


@click.command(cls=Command)
@click.argument("journey_ids", metavar="JOURNEY", nargs=-1, required=True)
@database_option
@json_option
@pass_line
def enable(
    line: CommandLine, *, journey_ids: Sequence[str], database_url: str | None, as_json: bool
) -> None:
    """Take back what disable did. A journey that is off in code stays off."""
    _switch(line, journey_ids, database_url, enabled=True, as_json=as_json)


def _switch(
    line: CommandLine,
    journey_ids: Sequence[str],
    database_url: str | None,
    *,
    enabled: bool,
    as_json: bool,
) -> None:
    from hogsend.journeys import operate
    from hogsend.journeys.content import load_content
    from hogsend.kernel.words import suggest

    app = load_content(line.settings())
    known = sorted(app.journeys)
    for journey_id in journey_ids:
        if journey_id not in app.journeys:
            raise InvalidInput(
                f"the app has no journey {journey_id!r}{suggest(journey_id, known)}",
                hint=f"known: {', '.join(known)}",
            )
    with line.database(database_url) as db:
        for journey_id in journey_ids:
            operate.switch(db, journey_id, enabled=enabled)
    off_in_code = [name for name in journey_ids if not app.journeys[name].meta.enabled]
    if as_json:
        print_json({"journeys": list(journey_ids), "enabled": enabled, "offInCode": off_in_code})
        return
    click.echo(f"{'enabled' if enabled else 'disabled'} {', '.join(journey_ids)}")
    if enabled and off_in_code:
        click.echo(f"still off in code: {', '.join(off_in_code)}", err=True)
