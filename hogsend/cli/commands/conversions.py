"""``hogsend conversions``: over HTTP, like any other client."""

from __future__ import annotations

import click

from hogsend.cli.config import CommandLine, data_key_option, pass_line, url_option
from hogsend.cli.http import call
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json, print_table


@click.group(cls=Group)
def conversions() -> None:
    """Look at what converted."""


@conversions.command("list")
@click.option("--definition", help="Only this conversion.")
@click.option(
    "--sort", type=click.Choice(["occurredAt", "value", "definitionId"]), default="occurredAt"
)
@click.option("--dir", "direction", type=click.Choice(["asc", "desc"]), default="desc")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0)
@url_option
@data_key_option
@json_option
@pass_line
def list_(
    line: CommandLine,
    *,
    definition: str | None,
    sort: str,
    direction: str,
    limit: int,
    offset: int,
    url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """List what converted, newest first; needs a key with `full-admin`."""
    answer = call(
        "GET",
        f"{line.base_url(url)}/v1/admin/conversions",
        key=line.data_key(api_key),
        query={
            "definitionId": definition,
            "sort": sort,
            "dir": direction,
            "limit": limit,
            "offset": offset,
        },
    )
    if as_json:
        print_json(answer)
        return
    print_table(
        ("When", "Conversion", "Value", "", "Contact", "Email"),
        [
            (
                *(c["occurredAt"], c["definitionId"], c["value"], c["currency"]),
                *(c["contactId"], c["contactEmail"]),
            )
            for c in answer["conversions"]
        ],
    )


@conversions.command()
@url_option
@data_key_option
@json_option
@pass_line
def stats(line: CommandLine, *, url: str | None, api_key: str | None, as_json: bool) -> None:
    """Count conversions of the last 30 days and ever; needs a key with `full-admin`."""
    answer = call(
        "GET",
        f"{line.base_url(url)}/v1/admin/conversions/stats",
        key=line.data_key(api_key),
    )
    if as_json:
        print_json(answer)
        return
    print_table(
        ("Conversion", "30 days", "Ever", "Last"),
        [
            (d["definitionId"], d["count30d"], d["countLifetime"], d["lastFiredAt"])
            for d in answer["definitions"]
        ],
    )
