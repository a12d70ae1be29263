"""``hogsend hatchet``: what an installation needs of its engine before it can start."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from hogsend.cli.config import CommandLine, pass_line
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json
from hogsend.errors import ConfigError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@click.group(cls=Group)
def hatchet() -> None:
    """Prepare a Hatchet engine."""


@hatchet.command()
@click.option("--url", metavar="URL", help="The engine's dashboard; else HATCHET_URL.")
@click.option("--email", metavar="EMAIL", help="Else HATCHET_ADMIN_EMAIL.")
@click.option("--password", metavar="PASSWORD", help="Else HATCHET_ADMIN_PASSWORD; else asked for.")
@click.option("--tenant", metavar="SLUG", default="default", show_default=True)
@click.option("--token-name", metavar="NAME", default="hogsend", show_default=True)
@click.option(
    "--expires-in", metavar="DURATION", help="Such as 8760h; else as the engine likes (90 days)."
)
@click.option(
    "--ca-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate authority of the engine, when it is not a public one.",
)
@json_option
@pass_line
def token(
    line: CommandLine,
    *,
    url: str | None,
    email: str | None,
    password: str | None,
    tenant: str,
    token_name: str,
    expires_in: str | None,
    ca_file: Path | None,
    as_json: bool,
) -> None:
    """Make an API token; on standard output is nothing but the token.

    The account is registered and the tenant made when they are not there yet.
    """
    from hogsend.net.client import HttpClient, HttpOptions
    from hogsend.orchestrator.hatchet_accounts import HatchetAccounts, TokenWish

    base = _base_url(line, url)
    wish = TokenWish(
        email=_given(line, email, "HATCHET_ADMIN_EMAIL", "--email"),
        password=_password(line, password),
        tenant=tenant,
        name=token_name,
        expires_in=expires_in,
    )
    http = HttpClient(HttpOptions(ca_file=None if ca_file is None else str(ca_file)))
    try:
        minted = HatchetAccounts(http, url=base).mint(wish, say=_say)
    finally:
        http.close()
    _describe(minted.token)
    if as_json:
        print_json(
            {
                "token": minted.token,
                "tenantId": minted.tenant_id,
                "tenantSlug": minted.tenant_slug,
                "createdTenant": minted.created_tenant,
                "registered": minted.registered,
            }
        )
    else:
        click.echo(minted.token)


def _base_url(line: CommandLine, given: str | None) -> str:
    base = _given(line, given, "HATCHET_URL", "--url")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{base!r} is no URL", hint="such as http://localhost:8888")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        _say(f"warning: the password goes to {parts.hostname} in the clear; use https:// if it can")
    return base


def _given(line: CommandLine, given: str | None, variable: str, option: str) -> str:
    """The option, else the variable of the environment; never of ``.env``."""
    found = given or line.environ.get(variable)
    if not found:
        raise ConfigError(f"{variable} is not set", hint=f"set it or pass {option}")
    return found


def _password(line: CommandLine, given: str | None) -> str:
    found = given or line.environ.get("HATCHET_ADMIN_PASSWORD")
    if not found and sys.stdin.isatty():
        found = click.prompt("Password", hide_input=True, err=True)
    return _given(line, found, "HATCHET_ADMIN_PASSWORD", "--password")


def _describe(minted: str) -> None:
    from hogsend.orchestrator.hatchet_options import find_expiry, read_claims

    address = read_claims(minted)["grpc_broadcast_address"]
    expiry = find_expiry(minted)
    until = f"good until {expiry:%Y-%m-%d}" if expiry else "does not expire"
    _say(f"token: {until}, engine at {address}")


def _say(text: str) -> None:
    click.echo(text, err=True)
