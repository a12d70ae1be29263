"""``hogsend doctor``: asks a running API how it is and examines this environment."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, cast

import click

from hogsend.cli.config import CommandLine, pass_line, url_option
from hogsend.cli.lazy import Command
from hogsend.cli.output import json_option, print_json
from hogsend.errors import HogsendError
from hogsend.ops.checks.finding import Finding
from hogsend.settings import Mode

_VERDICTS = {"healthy": "ok", "degraded": "degraded", "migration_pending": "migration_pending"}
_COPIED = ("version", "uptime", "timestamp", "components", "schema")
_ADVICE = {
    "degraded": "a component is down; what was accepted is safe and continues when it is back",
    "migration_pending": "run `hogsend migrate`",
}


@click.command(cls=Command)
@url_option
@click.option(
    "--mode",
    type=click.Choice(("api", "worker", "migrate")),
    default="api",
    show_default=True,
    help="Whose environment is examined.",
)
@json_option
@pass_line
@click.pass_context
def doctor(
    ctx: click.Context, line: CommandLine, *, url: str | None, mode: str, as_json: bool
) -> None:
    """Find out what is wrong with an installation; exit code 0 only if nothing is.

    Asks the API how it is. Where DATABASE_URL is set, that is on a machine that runs Hogsend, it
    also examines this environment: every variable, PostgreSQL, Redis, the engine, mail. Each
    finding says what to do.
    """
    findings = _examine(line, mode)
    base = line.base_url(url)
    health: dict[str, Any] | None = None
    try:
        health = _ask(f"{base}/v1/health")
    except HogsendError as error:
        verdict, trouble = "unreachable", error.message
    else:
        verdict, trouble = _VERDICTS[health["status"]], ""
    is_ok = verdict == "ok" and not any(f.verdict == "problem" for f in findings)
    if as_json:
        copied = {key: health.get(key) for key in _COPIED} if health else {"error": trouble}
        print_json(
            {
                "ok": is_ok,
                "verdict": verdict,
                "baseUrl": base,
                **copied,
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        for finding in findings:
            _tell_finding(finding)
        if health is None:
            click.echo(f"unreachable: {trouble}", err=True)
            click.echo("is `hogsend api` running, and HOGSEND_API_URL right?", err=True)
        else:
            _tell(base, verdict, health)
    ctx.exit(0 if is_ok else 1)


def _examine(line: CommandLine, mode: str) -> list[Finding]:
    names = ("DATABASE_URL", "DATABASE_URL_FILE")
    if not any(line.environ.get(name) for name in names):
        return []
    from hogsend.kernel.clock import SystemClock
    from hogsend.ops.doctor import examine

    return examine(line.environ, mode=cast(Mode, mode), clock=SystemClock())


def _tell_finding(finding: Finding) -> None:
    is_fine = finding.verdict == "ok"
    click.echo(f"{finding.verdict:<8} {finding.subject:<12} {finding.message}", err=not is_fine)
    if finding.fix is not None:
        click.echo(f"{'':<21} -> {finding.fix}", err=True)


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
