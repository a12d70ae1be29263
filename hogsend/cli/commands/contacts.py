"""``hogsend contacts``: over HTTP, like any other client."""

from __future__ import annotations

import click

from hogsend.cli.config import CommandLine, data_key_option, pass_line, url_option
from hogsend.cli.http import call
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import InvalidInput, NotFound


@click.group(cls=Group)
def contacts() -> None:
    """Look people up."""


@contacts.command()
@click.option("--user-id", help="Your id of the person.")
@click.option("--email", help="The person's address.")
@url_option
@data_key_option
@json_option
@pass_line
def get(
    line: CommandLine,
    *,
    user_id: str | None,
    email: str | None,
    url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Show everybody an id or an address names; exit code 1 if that is nobody."""
    if not (user_id or email):
        raise InvalidInput("nobody was named", hint="pass --user-id or --email")
    answer = call(
        "GET",
        f"{line.base_url(url)}/v1/contacts/find",
        key=line.data_key(api_key),
        query={"userId": user_id, "email": email},
    )
    found = answer.get("contacts") or []
    if not found:
        raise NotFound("no contact has this id or address", code="contact_not_found")
    if as_json:
        print_json(found)
        return
    for contact in found:
        print_table(
            ("Field", "Value"),
            [
                *((name, value) for name, value in contact.items() if name != "properties"),
                *((f"properties.{n}", v) for n, v in (contact.get("properties") or {}).items()),
            ],
        )


@contacts.command("list")
@click.option("--search", help="Part of an address or id.")
@click.option("--identity", type=click.Choice(["all", "identified", "anonymous"]), default="all")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0)
@url_option
@data_key_option
@json_option
@pass_line
def list_(
    line: CommandLine,
    *,
    search: str | None,
    identity: str,
    limit: int,
    offset: int,
    url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """List people, last seen first; needs a key with `full-admin`."""
    answer = call(
        "GET",
        f"{line.base_url(url)}/v1/admin/contacts",
        key=line.data_key(api_key),
        query={"search": search, "identity": identity, "limit": limit, "offset": offset},
    )
    if as_json:
        print_json(answer)
        return
    print_table(
        ("Id", "User id", "Email", "Last seen"),
        [(c["id"], c["externalId"], c["email"], c["lastSeenAt"]) for c in answer["contacts"]],
    )
    click.echo(f"{len(answer['contacts'])} of {answer['total']}")
