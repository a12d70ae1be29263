"""``hogsend journeys plan``: what a deploy would do to the people who are inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hogsend.cli.config import CommandLine, database_option, pass_line
from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from hogsend.journeys.plan import Outlook


@click.command(cls=Command)
@click.option(
    "--show",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many people to name of those who do not continue.",
)
@database_option
@json_option
@pass_line
def plan(line: CommandLine, *, show: int, database_url: str | None, as_json: bool) -> None:
    """Compare the code of HOGSEND_APP with everybody who is inside a journey now.

    Each journal is replayed without touching anything. Exit code 1 when somebody would not
    continue where they are: run it before a deploy, with the new code and the live database.
    """
    from hogsend.journeys.content import load_content
    from hogsend.journeys.plan import plan_all
    from hogsend.kernel.clock import SystemClock

    settings = line.settings()
    app = load_content(settings)
    counts: Counter[tuple[str, str]] = Counter()
    others: list[Outlook] = []
    with line.database(database_url) as db:
        for outlook in plan_all(db, app.journeys, clock=SystemClock()):
            counts[outlook.journey_id, outlook.verdict] += 1
            counts[outlook.journey_id, "new code"] += outlook.has_new_code
            if outlook.verdict != "continues" and len(others) < show:
                others.append(outlook)
    policies = {journey_id: d.meta.on_drift for journey_id, d in app.journeys.items()}
    rows = _sum_up(counts, policies)
    if as_json:
        print_json({"journeys": rows, "people": [asdict(outlook) for outlook in others]})
    else:
        _print(rows, others)
    if any(row["drifts"] or row["stranded"] for row in rows):
        click.get_current_context().exit(1)


def _sum_up(
    counts: Counter[tuple[str, str]], policies: Mapping[str, str]
) -> list[dict[str, str | int | None]]:
    return [
        {
            "journeyId": journey_id,
            "continues": counts[journey_id, "continues"],
            "drifts": counts[journey_id, "drifts"],
            "stranded": counts[journey_id, "stranded"],
            "newCode": counts[journey_id, "new code"],
            "onDrift": policies.get(journey_id),
        }
        for journey_id in sorted({journey_id for journey_id, _ in counts})
    ]


def _print(rows: list[dict[str, str | int | None]], others: list[Outlook]) -> None:
    if not rows:
        click.echo("nobody is inside a journey")
        return
    print_table(
        ("Journey", "Continue", "Drift", "Stranded", "Entered with other code", "On drift"),
        [tuple(row.values()) for row in rows],
    )
    if others:
        click.echo()
        print_table(
            ("Journey", "User", "Waits at", "Why"),
            [(o.journey_id, o.user_id, o.waits_at, o.reason) for o in others],
        )
