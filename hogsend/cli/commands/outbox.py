"""``hogsend outbox``: what was promised and cannot be kept without help."""

from __future__ import annotations

from dataclasses import asdict

import click

from hogsend.cli.config import CommandLine, database_option, pass_line
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import InvalidInput


@click.group(cls=Group)
def outbox() -> None:
    """Look at parked work and retry it."""


@outbox.command()
@database_option
@json_option
@pass_line
def status(line: CommandLine, *, database_url: str | None, as_json: bool) -> None:
    """Show how much work waits, how long, and how much is parked."""
    from hogsend.outbox.store import measure_backlog

    with line.database(database_url) as db:
        backlog = measure_backlog(db)
    if as_json:
        print_json(
            {
                "waiting": backlog.waiting,
                "oldestSeconds": backlog.oldest_seconds,
                "parked": backlog.parked,
            }
        )
    else:
        click.echo(
            f"{backlog.waiting} waiting (oldest {backlog.oldest_seconds:.0f} s), "
            f"{backlog.parked} parked"
        )


@outbox.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--before", "before_id", type=int, help="Only ids below this one: the next page.")
@database_option
@json_option
@pass_line
def list_(
    line: CommandLine,
    *,
    limit: int,
    before_id: int | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """List parked rows, newest first."""
    from hogsend.outbox.store import list_parked

    page = {} if before_id is None else {"before_id": before_id}
    with line.database(database_url) as db:
        rows = list_parked(db, limit=limit, **page)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ("Id", "Topic", "Subject", "Tries", "Parked", "Error"),
        [
            (row.id, row.topic, row.subject, row.attempts, row.parked_at, row.last_error)
            for row in rows
        ],
    )


@outbox.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "take_all", is_flag=True, help="Every parked row.")
@database_option
@json_option
@pass_line
def retry(
    line: CommandLine,
    *,
    ids: tuple[int, ...],
    take_all: bool,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Put parked rows IDS back into the queue; rows that are not parked are left alone."""
    from hogsend.outbox.store import list_parked, poke, unpark_row

    if bool(ids) == take_all:
        raise InvalidInput("nothing to retry", hint="pass ids, or --all")
    with line.database(database_url) as db:
        retried = [row_id for row_id in ids if unpark_row(db, row_id)]
        # Each turn takes what is parked now; a row parked again by a worker ends the loop.
        while take_all and (rows := list_parked(db, limit=1000)):
            taken = [row.id for row in rows if row.id not in retried and unpark_row(db, row.id)]
            if not taken:
                break
            retried += taken
        poke(db)
    if as_json:
        print_json({"retried": retried})
    else:
        click.echo(f"retried {len(retried)} of {len(ids) or len(retried)}")
