"""``hogsend studio admin``: straight to the database, no running API needed."""

from __future__ import annotations

import sys

import click

from hogsend.access.models import Admin
from hogsend.cli.config import CommandLine, database_option, pass_line
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import InvalidInput

_email_option = click.option("--email", help="Asked for on a terminal.")
_password_option = click.option("--password", help="Asked for on a terminal.")


@click.group(cls=Group)
def studio() -> None:
    """Manage administrators."""


@studio.group(cls=Group)
def admin() -> None:
    """Create, list and remove administrators, reset their passwords."""


@admin.command()
@_email_option
@click.option("--name", help="Else the first part of the address.")
@_password_option
@database_option
@json_option
@pass_line
def create(
    line: CommandLine,
    *,
    email: str | None,
    name: str | None,
    password: str | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Make an administrator who can sign in to Studio."""
    from hogsend.access.admins import create_admin

    address, secret = _ask_email(email), _ask_password(password)
    with line.database(database_url) as db:
        made = create_admin(db, email=address, password=secret, name=name)
    if as_json:
        print_json({"action": "create", "admin": _to_json(made)})
    else:
        click.echo(f"created {made.email}")


@admin.command()
@_email_option
@_password_option
@click.option("--no-revoke", is_flag=True, help="Leave open sessions open.")
@database_option
@json_option
@pass_line
def reset(
    line: CommandLine,
    *,
    email: str | None,
    password: str | None,
    no_revoke: bool,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Set a new password and end every session of an administrator."""
    from hogsend.access.admins import reset_password

    address, secret = _ask_email(email), _ask_password(password)
    with line.database(database_url) as db:
        changed = reset_password(db, email=address, password=secret, revoke_sessions=not no_revoke)
    if as_json:
        print_json(
            {"action": "reset", "admin": _to_json(changed), "revokedSessions": not no_revoke}
        )
    else:
        ended = "sessions left open" if no_revoke else "every session ended"
        click.echo(f"reset {changed.email}, {ended}")


admin.add_command(reset, "reset-password")


@admin.command()
@_email_option
@database_option
@json_option
@pass_line
def remove(
    line: CommandLine, *, email: str | None, database_url: str | None, as_json: bool
) -> None:
    """Delete an administrator and every session; the last one cannot be removed."""
    from hogsend.access.admins import remove_admin

    address = _ask_email(email)
    with line.database(database_url) as db:
        removed = remove_admin(db, email=address)
    if as_json:
        print_json({"action": "remove", "admin": _to_json(removed)})
    else:
        click.echo(f"removed {removed.email}")


@admin.command("list")
@database_option
@json_option
@pass_line
def list_(line: CommandLine, *, database_url: str | None, as_json: bool) -> None:
    """List administrators, oldest first."""
    from hogsend.access.admins import list_admins

    with line.database(database_url) as db:
        found = list_admins(db)
    if as_json:
        print_json([_to_json(one) for one in found])
    else:
        print_table(
            ("Email", "Name", "Created"), [(one.email, one.name, one.created_at) for one in found]
        )


def _ask_email(given: str | None) -> str:
    if given:
        return given
    _require_terminal("--email")
    return str(click.prompt("Email", err=True))


def _ask_password(given: str | None) -> str:
    if given:
        return given
    _require_terminal("--password")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _require_terminal(option: str) -> None:
    if not sys.stdin.isatty():
        raise InvalidInput(f"{option} is missing", hint="there is no terminal to ask on")


def _to_json(one: Admin) -> dict[str, object]:
    return {"id": one.id, "email": one.email, "name": one.name, "createdAt": one.created_at}
