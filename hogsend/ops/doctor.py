"""Examines an installation from where its processes run: every neighbour, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from hogsend import settings as environment
from hogsend.errors import ConfigError
from hogsend.kernel.clock import Clock
from hogsend.ops.checks.engine import check_engine
from hogsend.ops.checks.finding import Check, Finding, ok, problem, warning
from hogsend.ops.checks.mail import check_mail
from hogsend.ops.checks.postgres import check_postgres
from hogsend.ops.checks.redis import check_redis, check_redis_is_set
from hogsend.settings import Mode

_SUBJECT = "environment"


def examine(environ: Mapping[str, str], *, mode: Mode, clock: Clock) -> list[Finding]:
    """Findings in a fixed order: environment, postgres, redis, engine, mail. Never raises.

    A variable that cannot be read ends the examination with the environment's own findings.
    """
    findings: list[Finding] = []
    try:
        warnings = environment.load(environ, mode=mode).warnings()
        findings.append(ok(_SUBJECT, f"{mode} can start with it"))
        findings += [warning(_SUBJECT, text, "see docs/environment.md") for text in warnings]
    except ConfigError as error:
        problems = cast("Sequence[str]", error.context["problems"])
        findings += [problem(_SUBJECT, text, "see docs/environment.md") for text in problems]
    try:
        settings = environment.load(environ, mode="cli")
    except ConfigError:
        return findings
    checks: Sequence[Check] = (
        lambda: check_postgres(settings, clock),
        lambda: check_redis_is_set(settings),
        lambda: check_redis(settings, clock),
        lambda: check_engine(settings, clock),
        lambda: check_mail(settings),
    )
    with ThreadPoolExecutor(len(checks)) as pool:
        for found in pool.map(_run, checks):
            findings.extend(found)
    return findings


def _run(check: Check) -> Sequence[Finding]:
    try:
        return check()
    except Exception as error:  # a broken check is a finding, not the end of the examination
        return [problem("doctor", f"a check failed: {error!r}", "please report this")]
