"""``hogsend journeys simulate``: what would happen to somebody, without anything happening."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hogsend.cli.config import CommandLine, pass_line
from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import InvalidInput
from hogsend.kernel.durations import parse_duration
from hogsend.kernel.timezones import get_zone

if TYPE_CHECKING:
    from hogsend.testing.histories_file import Occurrence
    from hogsend.testing.simulation import Simulation


@click.command(cls=Command)
@click.argument("journeys", nargs=-1, metavar="[JOURNEY]...")
@click.option(
    "--event",
    "deeds",
    multiple=True,
    metavar="TEXT",
    help="What the person does: '+2d project.created size=3'. In order; may be repeated.",
)
@click.option(
    "--csv",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Many people: columns user_id, at, event, and maybe properties, email, timezone.",
)
@click.option("--user-id", default="user-1", show_default=True)
@click.option("--email", default="user-1@example.com", show_default=True)
@click.option("--timezone", help="The person's, also for the timeline.")
@click.option("--start", help="When the first event happens, ISO-8601; default: now.")
@click.option("--for", "span", default="800d", show_default=True, help="Let this much time pass.")
@click.option("--timeline", is_flag=True, help="With --csv: show every line, not only the sums.")
@json_option
@pass_line
def simulate(
    line: CommandLine,
    *,
    journeys: Sequence[str],
    deeds: Sequence[str],
    file: Path | None,
    user_id: str,
    email: str,
    timezone: str | None,
    start: str | None,
    span: str,
    timeline: bool,
    as_json: bool,
) -> None:
    """Play events on the journeys of the app and print what happens; nothing is sent or stored.

    The app is the one of HOGSEND_APP. Exit code 1 when a journey fails.
    """
    from hogsend.journeys.content import load_content
    from hogsend.testing.simulation import simulate_occurrences
    from hogsend.testing.timeline import format_timeline

    settings = line.settings()
    app = load_content(settings)
    unknown = sorted(set(journeys) - set(app.journeys))
    if unknown:
        raise InvalidInput(
            f"the app has no journey {unknown[0]!r}", hint=f"known: {', '.join(app.journeys)}"
        )
    if (file is None) == (not deeds):
        raise InvalidInput("say what happens: with --event, or with --csv", hint="see --help")
    occurrences = (
        _read_file(file)
        if file is not None
        else _read_deeds(deeds, start=start, user_id=user_id, email=email, timezone=timezone)
    )
    result = simulate_occurrences(app, occurrences, span=parse_duration(span), journeys=journeys)
    if as_json:
        print_json(result.to_json())
    else:
        if file is None or timeline:
            click.echo(format_timeline(result.timeline, zone=timezone))
            click.echo()
        _print_sums(result)
    for text in (*result.unheard, *result.warnings):
        click.echo(f"warning: {text}", err=True)
    if result.has_failures:
        click.get_current_context().exit(1)


def _read_file(file: Path) -> list[Occurrence]:
    from hogsend.testing.histories_file import read_occurrences

    with file.open(encoding="utf-8-sig", newline="") as lines:
        occurrences = read_occurrences(lines, source=str(file))
    if not occurrences:
        raise InvalidInput(f"{file} has no rows")
    return occurrences


def _read_deeds(
    deeds: Sequence[str], *, start: str | None, user_id: str, email: str, timezone: str | None
) -> list[Occurrence]:
    from hogsend.testing.histories_file import Occurrence, parse_deed

    if timezone is not None:
        get_zone(timezone)
    at = _read_instant(start) if start else datetime.now(UTC).replace(microsecond=0)
    found: list[Occurrence] = []
    for text in deeds:
        deed = parse_deed(text)
        at += deed.after
        found.append(
            Occurrence(
                user_id=user_id,
                at=at,
                event=deed.event,
                properties=dict(deed.properties),
                email=email,
                timezone=timezone,
            )
        )
    return found


def _read_instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--start: {error}") from error
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _print_sums(result: Simulation) -> None:
    print_table(
        ("Journey", "Outcome", "People"),
        [(journey, outcome, n) for (journey, outcome), n in result.outcomes.items()],
    )
    click.echo()
    print_table(
        ("Mail", "Became", "Count"), [(key, status, n) for (key, status), n in result.mails.items()]
    )
