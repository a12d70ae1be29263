"""``hogsend doctor``: asks a running API how it is."""

from __future__ import annotations

import json
from typing import Any

import click

from hogsend.cli.config import CommandLine, pass_line
from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json
from hogsend.errors import HogsendError

_VERDICTS = {"healthy": "ok", "degraded": "degraded", "migration_pending": "migration_pending"}
_COPIED = ("version", "uptime", "timestamp", "components", "schema")
_ADVICE = {
    "degraded": "a component is down; what was accepted is safe and continues when it is back",
    "migration_pending": "run `hogsend migrate`",
}


@click.command(cls=Command)
@click.option("--url", help="The API; else HOGSEND_API_URL.")
@json_option
@pass_line
@click.pass_context
def doctor(ctx: click.Context, line: CommandLine, *, url: str | None, as_json: bool) -> None:
    """Find out what is wrong with an installation; exit code 0 only if nothing is."""
    base = line.base_url(url)
    try:
        health = _ask(f"{base}/v1/health")
    except HogsendError as error:
        _tell_unreachable(base, error, as_json=as_json)
        ctx.exit(1)
    verdict = _VERDICTS[health["status"]]
    if as_json:
        copied = {key: health.get(key) for key in _COPIED}
        print_json({"ok": verdict == "ok", "verdict": verdict, "baseUrl": base, **copied})
    else:
        _tell(base, verdict, health)
    ctx.exit(0 if verdict == "ok" else 1)


def _ask(url: str) -> dict[str, Any]:
    """The health body, which travels with 200 and with 503; raises HogsendError for others."""
    from hogsend.net.client import HttpClient

    client = HttpClient()
    try:
        answer = client.request("GET", url, headers={"Accept": "application/json"})
    finally:
        client.close()
    try:
        health = json.loads(answer.body)
        if health["status"] in _VERDICTS:
            return dict(health)
    except (ValueError, KeyError, TypeError):
        pass
    raise HogsendError(f"{url} answered {answer.status}, not the health of a Hogsend API")


def _tell_unreachable(base: str, error: HogsendError, *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": False, "verdict": "unreachable", "baseUrl": base, "error": error.message})
        return
    click.echo(f"unreachable: {error.message}", err=True)
    click.echo("is `hogsend api` running, and HOGSEND_API_URL right?", err=True)


def _tell(base: str, verdict: str, health: dict[str, Any]) -> None:
    click.echo(f"{base}: {verdict}")
    for name, component in health["components"].items():
        latency = component.get("latencyMs")
        seen = component.get("lastSeenAt")
        detail = f" ({latency} ms)" if latency is not None else f" (seen {seen})" if seen else ""
        click.echo(f"  {name:<10} {component['status']}{detail}")
    for track, state in health["schema"].items():
        pending = f", pending: {', '.join(state['pending'])}" if state["pending"] else ""
        click.echo(f"  {track:<10} {state['applied'] or '(none)'}{pending}")
    if health["components"]["worker"]["status"] == "down":
        click.echo("no worker has been seen: journeys wait until one runs", err=True)
    if verdict in _ADVICE:
        click.echo(_ADVICE[verdict], err=True)
