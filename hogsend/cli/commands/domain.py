"""``hogsend domain``: register the sending domain, see its records, wait until they are right.

Works with the settings of the environment alone: no API has to run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from hogsend.cli.config import CommandLine, pass_line
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import ConfigError

if TYPE_CHECKING:
    from hogsend.email.domains.base import DomainProvider, DomainStatus
    from hogsend.email.domains.check import Finding
    from hogsend.net.dns import Lookup

_POLL_SECONDS = 15.0
_SIGNS = {"ok": "ok", "warning": "warn", "missing": "MISSING", "wrong": "WRONG", "unknown": "?"}
_SELECTORS = {"resend": ("resend",)}

nameserver_option = click.option(
    "--nameserver", metavar="ADDRESS[:PORT]", multiple=True, help="Ask this DNS server."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """A domain and who looks after it."""

    domain: str
    provider: DomainProvider | None
    lookup: Lookup
    selectors: Sequence[str]


@click.group(cls=Group)
def domain() -> None:
    """Set up the domain that mail is sent from."""


@domain.command()
@click.argument("name", required=False)
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=300,
    show_default=True,
    help="Seconds to wait until everything is right.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.01),
    default=_POLL_SECONDS,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look once and do not wait.")
@click.option("--selector", "selectors", multiple=True, help="DKIM selector to look for.")
@nameserver_option
@json_option
@pass_line
def check(
    line: CommandLine,
    *,
    name: str | None,
    timeout: float,
    interval: float,
    once: bool,
    selectors: tuple[str, ...],
    nameserver: tuple[str, ...],
    as_json: bool,
) -> None:
    """Look at SPF, DKIM and DMARC as receivers do; exit 1 unless they are right.

    NAME is EMAIL_DOMAIN, or the domain of EMAIL_FROM, when it is left out.
    """
    subject = _subject(line, name, nameserver=nameserver, selectors=selectors)
    deadline = time.monotonic() + (0 if once else timeout)
    status = _look(subject, verify=True)
    while True:
        findings = _findings(subject, status)
        is_ready = _is_ready(status, findings)
        left = deadline - time.monotonic()
        if is_ready or left <= 0:
            break
        if not as_json:
            done = sum(not finding.is_blocking for finding in findings)
            click.echo(
                f"{done} of {len(findings)} records are right, {left:.0f} s left …", err=True
            )
        time.sleep(min(interval, left))
        status = _look(subject, verify=False)
    if as_json:
        print_json(_to_json(subject, status, findings, is_ready=is_ready))
    else:
        _print(subject, status, findings, is_ready=is_ready)
    if not is_ready:
        click.get_current_context().exit(1)


@domain.command()
@click.argument("name", required=False)
@json_option
@pass_line
def status(line: CommandLine, *, name: str | None, as_json: bool) -> None:
    """Show what the mail provider says about the domain and which records it wants."""
    subject = _subject(line, name)
    found = _look(_supported(subject), verify=False)
    if as_json:
        print_json(_to_json(subject, found, [], is_ready=_is_ready(found, [])))
    else:
        _print_status(found)


@domain.command()
@click.argument("name")
@json_option
@pass_line
def add(line: CommandLine, *, name: str, as_json: bool) -> None:
    """Register the domain NAME at the mail provider and print the records to add."""
    from hogsend.kernel.clock import SystemClock

    subject = _supported(_subject(line, name))
    assert subject.provider is not None
    made = subject.provider.create(subject.domain, now=SystemClock().now())
    if as_json:
        print_json(_to_json(subject, made, [], is_ready=made.state == "verified"))
        return
    if subject.domain.count(".") == 1:
        click.echo(
            f"hint: a subdomain such as mail.{subject.domain} keeps the reputation of this mail "
            "apart from that of your other mail",
            err=True,
        )
    _print_status(made)


def _subject(
    line: CommandLine,
    name: str | None,
    *,
    nameserver: Sequence[str] = (),
    selectors: Sequence[str] = (),
) -> _Subject:
    from hogsend.email.domains.base import check_domain
    from hogsend.email.domains.wiring import select_domains, sending_domain
    from hogsend.net.client import HttpClient
    from hogsend.net.dns import DnsLookup, DnsOptions

    settings = line.settings()
    found = check_domain(name) if name else sending_domain(settings)
    if found is None:
        raise ConfigError("no domain", hint="name one, or set EMAIL_DOMAIN")
    provider = select_domains(settings, HttpClient())
    known = _SELECTORS.get(provider.name if provider else "", ())
    return _Subject(
        domain=found,
        provider=provider,
        lookup=DnsLookup(DnsOptions(servers=nameserver, timeout=timedelta(seconds=5))),
        selectors=(*selectors, *known),
    )


def _supported(subject: _Subject) -> _Subject:
    if subject.provider is None:
        raise ConfigError(
            "the mail provider has no domain API here",
            hint="set RESEND_API_KEY, or EMAIL_PROVIDER=postmark and POSTMARK_ACCOUNT_TOKEN",
        )
    return subject


def _look(subject: _Subject, *, verify: bool) -> DomainStatus | None:
    from hogsend.email.domains.base import DomainRefused
    from hogsend.kernel.clock import SystemClock

    if subject.provider is None:
        return None
    ask = subject.provider.verify if verify else subject.provider.find
    try:
        return ask(subject.domain, now=SystemClock().now())
    except DomainRefused as error:
        # DNS can be judged without the provider.
        click.echo(f"warning: {error}", err=True)
        return None


def _findings(subject: _Subject, status: DomainStatus | None) -> list[Finding]:
    from hogsend.email.domains.check import check_domain_records

    records = () if status is None else status.records
    return check_domain_records(
        subject.domain, records, subject.lookup, selectors=subject.selectors
    )


def _is_ready(status: DomainStatus | None, findings: Sequence[Finding]) -> bool:
    is_verified = status is None or status.state == "verified"
    return is_verified and not any(finding.is_blocking for finding in findings)


def _print(
    subject: _Subject,
    status: DomainStatus | None,
    findings: Sequence[Finding],
    *,
    is_ready: bool,
) -> None:
    print_table(
        ("Record", "Type", "Name", "Verdict", "Found"),
        [
            (f.purpose, f.type, f.name, _SIGNS[f.verdict], _short(" | ".join(f.found)))
            for f in findings
        ],
    )
    for finding in findings:
        if finding.hint:
            click.echo(f"{finding.purpose}: {finding.hint}")
    if status is not None:
        click.echo(f"{status.provider} says: {status.state}")
    click.echo(f"{subject.domain} is {'ready' if is_ready else 'not ready'}")


def _print_status(status: DomainStatus | None) -> None:
    if status is None:
        return
    print_table(
        ("Record", "Type", "Name", "Value", "Priority", "Status"),
        [(r.purpose, r.type, r.name, r.value, r.priority, r.status) for r in status.records],
    )
    click.echo(f"{status.provider} says: {status.domain} is {status.state}")


def _to_json(
    subject: _Subject,
    status: DomainStatus | None,
    findings: Sequence[Finding],
    *,
    is_ready: bool,
) -> dict[str, object]:
    return {
        "domain": subject.domain,
        "ready": is_ready,
        "provider": None if status is None else status.provider,
        "state": None if status is None else status.state,
        "records": [] if status is None else [record.to_wire() for record in status.records],
        "findings": [finding.to_wire() for finding in findings],
    }


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
