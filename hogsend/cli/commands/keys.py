"""``hogsend keys``: straight to the database, so that it works before any key exists."""

from __future__ import annotations

from uuid import UUID

import click

from hogsend.cli.config import CommandLine, database_option, pass_line
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import NotFound


@click.group(cls=Group)
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=("ingest",),
    show_default=True,
    help="Repeat for several.",
)
@click.option("--publishable", is_flag=True, help="For browsers; needs --origin.")
@click.option("--origin", "origins", multiple=True, help="Such as https://app.example.com.")
@database_option
@json_option
@pass_line
def create(
    line: CommandLine,
    *,
    name: str,
    scopes: tuple[str, ...],
    publishable: bool,
    origins: tuple[str, ...],
    database_url: str | None,
    as_json: bool,
) -> None:
    """Make a key and print it. It is shown once and stored nowhere."""
    from hogsend.access.api_keys import create_api_key

    with line.database(database_url) as db:
        row, key = create_api_key(
            db,
            name=name,
            scopes=scopes,
            publishable=publishable,
            allowed_origins=origins,
            created_by="cli",
        )
    if as_json:
        print_json({"id": row.id, "name": row.name, "scopes": row.scopes, "key": key})
    else:
        click.echo(key)
        click.echo(f"{row.name} ({', '.join(sorted(row.scopes))}), shown once", err=True)


@keys.command("list")
@database_option
@json_option
@pass_line
def list_(line: CommandLine, *, database_url: str | None, as_json: bool) -> None:
    """List keys, newest first; never the keys themselves."""
    from hogsend.access.api_keys import list_api_keys

    with line.database(database_url) as db:
        found = list_api_keys(db)
    if as_json:
        print_json(
            [
                {
                    "id": key.id,
                    "name": key.name,
                    "prefix": key.prefix,
                    "scopes": key.scopes,
                    "createdAt": key.created_at,
                    "lastUsedAt": key.last_used_at,
                    "revokedAt": key.revoked_at,
                }
                for key in found
            ]
        )
        return
    print_table(
        ("Id", "Name", "Prefix", "Scopes", "Last used", "Revoked"),
        [
            (k.id, k.name, k.prefix, ",".join(sorted(k.scopes)), k.last_used_at, k.revoked_at)
            for k in found
        ],
    )


@keys.command()
@click.argument("key_id", type=click.UUID)
@database_option
@json_option
@pass_line
def revoke(line: CommandLine, *, key_id: UUID, database_url: str | None, as_json: bool) -> None:
    """Revoke a key for good; running API processes forget it at once."""
    from hogsend.access.api_keys import revoke_api_key

    with line.database(database_url) as db:
        if not revoke_api_key(db, key_id):
            raise NotFound(f"there is no key {key_id}", hint="see `hogsend keys list`")
    if as_json:
        print_json({"revoked": key_id})
    else:
        click.echo(f"revoked {key_id}")
