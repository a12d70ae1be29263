"""``hogsend journeys list|resume|skip-wait|cancel``: what operators look at and do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import click

from hogsend.cli.config import CommandLine, database_option, pass_line
from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import HogsendError

if TYPE_CHECKING:
    from hogsend.db import Database
    from hogsend.journeys.meta import JourneyDefinition

_STATUSES = ("active", "waiting", "completed", "exited", "failed", "held_out")


@click.command("list", cls=Command)
@database_option
@json_option
@pass_line
def list_(line: CommandLine, *, database_url: str | None, as_json: bool) -> None:
    """List the journeys of HOGSEND_APP and how many people are in which state."""
    from hogsend.journeys import explain
    from hogsend.journeys.content import load_content

    settings = line.settings()
    app = load_content(settings)
    with line.database(database_url) as db:
        counts, disabled = explain.count_enrollments(db), explain.list_disabled(db)
    rows = [
        {
            "id": journey_id,
            "trigger": app.journeys[journey_id].meta.trigger.event
            if journey_id in app.journeys
            else None,
            "state": _switch(journey_id, app.journeys, disabled, settings.enabled_journeys),
            **{status: counts.get(journey_id, {}).get(status, 0) for status in _STATUSES},
        }
        for journey_id in [*app.journeys, *sorted(set(counts) - set(app.journeys))]
    ]
    if as_json:
        print_json(rows)
        return
    head = ("Journey", "Trigger", "State", *(s.replace("_", " ").title() for s in _STATUSES))
    print_table(head, [list(row.values()) for row in rows])


@click.command(cls=Command)
@click.argument("state_ids", type=click.UUID, nargs=-1, required=True)
@database_option
@json_option
@pass_line
def resume(
    line: CommandLine, *, state_ids: Sequence[UUID], database_url: str | None, as_json: bool
) -> None:
    """Try failed enrollments STATE_IDS again, each from its last recorded step.

    Refused for people who did something since that ends the journey, by HOGSEND_APP.
    """
    from hogsend.journeys import operate
    from hogsend.journeys.content import load_content

    app = load_content(line.settings())

    def again(db: Database, state_id: UUID) -> None:
        operate.resume(db, state_id, journeys=app.journeys)

    _each(line, database_url, state_ids, again, word="resumed", as_json=as_json)


@click.command("skip-wait", cls=Command)
@click.argument("state_ids", type=click.UUID, nargs=-1, required=True)
@database_option
@json_option
@pass_line
def skip_wait(
    line: CommandLine, *, state_ids: Sequence[UUID], database_url: str | None, as_json: bool
) -> None:
    """End the open waits of STATE_IDS now, as if their time had run out."""
    from hogsend.journeys import operate

    _each(line, database_url, state_ids, operate.skip_wait, word="skipped", as_json=as_json)


@click.command(cls=Command)
@click.argument("state_ids", type=click.UUID, nargs=-1, required=True)
@click.option("--reason", default="operator", show_default=True, help="Kept as the exit reason.")
@database_option
@json_option
@pass_line
def cancel(
    line: CommandLine,
    *,
    state_ids: Sequence[UUID],
    reason: str,
    database_url: str | None,
    as_json: bool,
) -> None:
    """End the enrollments STATE_IDS; mails that were sent stay sent."""
    from hogsend.journeys import operate

    def end(db: Database, state_id: UUID) -> None:
        operate.cancel(db, state_id, reason=reason)

    _each(line, database_url, state_ids, end, word="cancelled", as_json=as_json)


def _switch(
    journey_id: str,
    known: Mapping[str, JourneyDefinition],
    disabled: set[str],
    chosen: Sequence[str] | None,
) -> str:
    definition = known.get(journey_id)
    if definition is None:
        return "not in the app"
    if not definition.meta.enabled:
        return "off in code"
    if chosen is not None and journey_id not in chosen:
        return "not in ENABLED_JOURNEYS"
    return "off by admin" if journey_id in disabled else "on"


def _each(
    line: CommandLine,
    database_url: str | None,
    state_ids: Sequence[UUID],
    act: Callable[[Database, UUID], object],
    *,
    word: str,
    as_json: bool,
) -> None:
    """Do it for every id; one that cannot be done stops none of the others."""
    from hogsend.outbox.store import poke

    done: list[str] = []
    refused: dict[str, str] = {}
    with line.database(database_url) as db:
        for state_id in state_ids:
            try:
                act(db, state_id)
                done.append(str(state_id))
            except HogsendError as error:
                refused[str(state_id)] = str(error)
        if done:
            poke(db)
    if as_json:
        print_json({word: done, "refused": refused})
    else:
        click.echo(f"{word} {len(done)} of {len(state_ids)}")
        for problem in refused.values():
            click.echo(f"error: {problem}", err=True)
    if refused:
        click.get_current_context().exit(1)
