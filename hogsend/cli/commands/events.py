"""``hogsend events``: over HTTP, like any other client."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from hogsend.cli.commands.events_relay import relay
from hogsend.cli.config import CommandLine, data_key_option, pass_line, url_option
from hogsend.cli.http import call
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json
from hogsend.errors import InvalidInput


@click.group(cls=Group)
def events() -> None:
    """Send events."""


events.add_command(relay)


@events.command()
@click.argument("name")
@click.option("--user-id", help="Your id of the person.")
@click.option("--email", help="The person's address.")
@click.option("--anonymous-id", help="A visitor's id.")
@click.option(
    "-p",
    "--property",
    "properties",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of the event. The value is JSON, or else text.",
)
@click.option(
    "--contact-property",
    "contact_properties",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of the person.",
)
@click.option("--idempotency-key", help="Makes repeating the command harmless.")
@url_option
@data_key_option
@json_option
@pass_line
def send(
    line: CommandLine,
    *,
    name: str,
    user_id: str | None,
    email: str | None,
    anonymous_id: str | None,
    properties: tuple[str, ...],
    contact_properties: tuple[str, ...],
    idempotency_key: str | None,
    url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Send the event NAME about one person."""
    if not (user_id or email or anonymous_id):
        raise InvalidInput("an event is about somebody", hint="pass --user-id or --email")
    body = {
        "name": name,
        "userId": user_id,
        "email": email,
        "anonymousId": anonymous_id,
        "eventProperties": _parse_pairs(properties) or None,
        "contactProperties": _parse_pairs(contact_properties) or None,
        "idempotencyKey": idempotency_key,
    }
    answer = call(
        "POST",
        f"{line.base_url(url)}/v1/events",
        key=line.data_key(api_key),
        body={name: value for name, value in body.items() if value is not None},
    )
    if as_json:
        print_json(answer)
    elif answer.get("stored"):
        click.echo(f"stored for {answer.get('contactKey')}")
    else:
        click.echo("not stored: this idempotency key was used before")


def _parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise InvalidInput(f"{pair!r} is no property", hint="write KEY=VALUE")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found
