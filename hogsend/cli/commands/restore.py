"""``hogsend restore``: a restored database sends nothing before somebody accepts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from hogsend.cli.config import CommandLine, database_option, pass_line
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json
from hogsend.errors import InvalidInput
from hogsend.kernel.durations import parse_duration
from hogsend.kernel.ids import uuid7

if TYPE_CHECKING:
    from hogsend.ops.restore import Standing


@click.group(cls=Group)
def restore() -> None:
    """Accept or fence a restored database."""


@restore.command()
@database_option
@json_option
@pass_line
def status(line: CommandLine, *, database_url: str | None, as_json: bool) -> None:
    """Show whether this database is a copy, and what would be sent at once."""
    from hogsend.ops.restore import read_standing

    with line.database(database_url) as db:
        standing = read_standing(db)
    if as_json:
        print_json(
            {
                "isCopy": standing.reason is not None,
                "reason": standing.reason,
                "duePromises": standing.promises,
                "dueSleepers": standing.sleepers,
                "oldestDueAt": None if standing.oldest is None else standing.oldest.isoformat(),
            }
        )
        return
    if standing.reason is None:
        click.echo("This database is the installation; workers send from it.")
    else:
        click.echo(f"This database is a copy: {standing.reason}. Nothing is sent from it.")
    click.echo(_due(standing))


@restore.command()
@click.option(
    "--park-due-older-than",
    "age",
    metavar="DURATION",
    help="Put aside what has been due for longer, such as 1h or 2d.",
)
@click.option(
    "--park-due-before",
    "instant",
    metavar="INSTANT",
    help="Put aside what was due before, such as 2026-03-01T14:00:00Z.",
)
@database_option
@json_option
@pass_line
def confirm(
    line: CommandLine,
    *,
    age: str | None,
    instant: str | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Make this database the installation: workers go on within a second.

    Stop the original first. What it sent after the copy was made is not known here: put aside
    what was due by the time it stopped, look at it with `hogsend outbox list`, and take up again
    what is wanted with `hogsend outbox retry`.
    """
    from hogsend.ops import restore as operations

    before = _read_before(age, instant)
    with line.database(database_url) as db:
        parked = operations.confirm(db, park_before=before, new_id=uuid7())
    if as_json:
        print_json({"parkedPromises": parked.promises, "parkedSleepers": parked.sleepers})
        return
    click.echo("This database is the installation now.")
    if before is not None:
        click.echo(
            f"Put aside {parked.promises} promises and {parked.sleepers} sleepers due before "
            f"{before.isoformat()}: see `hogsend outbox list`."
        )


@restore.command()
@database_option
@pass_line
def fence(line: CommandLine, *, database_url: str | None) -> None:
    """Send nothing from this database until it is confirmed.

    For copies that look like the original: a disk image, or recovery to an earlier time at the
    same address. Run it before a worker starts.
    """
    from hogsend.ops import restore as operations

    with line.database(database_url) as db:
        operations.fence(db, new_id=uuid7())
    click.echo("Nothing is sent from this database until `hogsend restore confirm`.")


def _read_before(age: str | None, instant: str | None) -> datetime | None:
    if age is not None and instant is not None:
        raise InvalidInput("pass --park-due-older-than or --park-due-before, not both")
    if age is not None:
        wanted = timedelta(0) if age.strip() in ("0", "0s") else parse_duration(age)
        return datetime.now(UTC) - wanted
    if instant is None:
        return None
    try:
        moment = datetime.fromisoformat(instant)
    except ValueError as error:
        raise InvalidInput(
            f"{instant!r} is not an instant", hint="use a form such as 2026-03-01T14:00:00Z"
        ) from error
    if moment.tzinfo is None:
        raise InvalidInput(f"{instant!r} names no time zone", hint="end it with Z or +02:00")
    return moment


def _due(standing: Standing) -> str:
    if standing.oldest is None:
        return "Nothing is due."
    return (
        f"Due now: {standing.promises} promises, {standing.sleepers} sleepers, "
        f"the oldest since {standing.oldest.isoformat()}."
    )
