"""``hogsend journeys why-not``: which guard refused somebody, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hogsend.cli.config import CommandLine, database_option, pass_line
from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import InvalidInput

if TYPE_CHECKING:
    from hogsend.app import App
    from hogsend.db import Database
    from hogsend.journeys.explain import Refusal
    from hogsend.journeys.reads import Subject
    from hogsend.settings import Settings


@click.command("why-not", cls=Command)
@click.argument("person")
@click.option("--journey", "journey_id", help="Only this journey.")
@database_option
@json_option
@pass_line
def why_not(
    line: CommandLine,
    *,
    person: str,
    journey_id: str | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Say which guard refused PERSON and when, and where they are or were.

    PERSON is a user id, an address or an anonymous id. Guards that are asked when an event arrives
    leave no trace: they are asked again, by the code of HOGSEND_APP, for the newest 100 events
    that trigger a journey.
    """
    from hogsend.journeys import explain
    from hogsend.journeys.content import load_content

    settings = line.settings()
    app = load_content(settings)
    with line.database(database_url) as db:
        who = explain.find_person(db, person)
        passages = explain.list_passages(db, who, journey_id=journey_id)
        refusals = explain.list_refusals(db, who, journey_id=journey_id)
        if journey_id is not None and journey_id not in app.journeys and not (passages or refusals):
            raise _unknown(journey_id, app)
        refusals = _newest_first([*refusals, *_unheard(db, who, app, settings, journey_id)])
    if as_json:
        print_json(
            {
                "refusals": [asdict(r) for r in refusals],
                "enrollments": [asdict(p) for p in passages],
            }
        )
        return
    if not refusals and not passages:
        click.echo(f"nothing is known of {person} here: no journey was triggered for this key")
        return
    print_table(
        ("Journey", "Refused because", "Times", "Last"),
        [(r.journey_id, r.reason, r.times, r.last_at) for r in refusals],
    )
    click.echo()
    print_table(
        ("Enrollment", "Journey", "Status", "At", "Entered", "Why"),
        [
            (p.id, p.journey_id, p.status, p.node, p.created_at, p.exit_reason or p.error)
            for p in passages
        ],
    )


def _unheard(
    db: Database, who: Subject, app: App, settings: Settings, journey_id: str | None
) -> Sequence[Refusal]:
    from hogsend.journeys import explain
    from hogsend.journeys.registry import JourneyRegistry

    registry = JourneyRegistry(app, settings.enabled_journeys)
    chosen = [j for j in app.journeys.values() if journey_id in (None, j.meta.id)]
    found = explain.list_unheard(
        db, who, chosen, runs_here=lambda name: registry.find(name) is not None
    )
    # Of all journeys, those that nobody ever triggered are no news.
    return [r for r in found if journey_id is not None or r.reason != explain.NEVER]


def _newest_first(refusals: Sequence[Refusal]) -> list[Refusal]:
    return sorted(refusals, key=lambda r: "" if r.last_at is None else r.last_at.isoformat(),
                  reverse=True)  # fmt: skip


def _unknown(journey_id: str, app: App) -> InvalidInput:
    from hogsend.kernel.words import suggest

    known = sorted(app.journeys)
    return InvalidInput(
        f"the app has no journey {journey_id!r}{suggest(journey_id, known)}",
        hint=f"known: {', '.join(known)}",
    )
