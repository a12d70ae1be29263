"""What a person wants to know when everything is up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hogsend.supervise.plan import FIRST_RUN, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """Secrets made in an empty database; None where there was one already."""

    admin_email: str | None = None
    admin_password: str | None = None
    api_key: str | None = None


def take_first_run(data_dir: Path) -> FirstRun:
    """What was made and not shown yet; shown once, so the file goes."""
    file = data_dir / FIRST_RUN
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return FirstRun()
    file.unlink()
    return FirstRun(
        admin_email=found.get("adminEmail"),
        admin_password=found.get("adminPassword"),
        api_key=found.get("apiKey"),
    )


def render(plan: Plan, first: FirstRun, *, version: str) -> str:
    """The banner, with an empty line around it."""
    lines = [
        f"  Hogsend {version} is ready",
        "",
        _row("API", plan.url),
        _row("Studio", f"{plan.url}/studio"),
        _row("Health", f"{plan.url}/v1/health"),
        _row("Data", str(plan.data_dir)),
    ]
    if plan.mail is not None:
        lines.append(_row("Mails", str(plan.mail)))
    lines += [_row("Embedded", f"{what} (no {name})") for name, what in plan.embedded]
    if first.api_key is not None:
        lines += ["", _row("API key", f"{first.api_key}   shown once, save it now")]
    if first.admin_password is not None:
        lines += [
            _row("Admin", str(first.admin_email)),
            _row("Password", f"{first.admin_password}   shown once, save it now"),
        ]
    if first.api_key is not None:
        lines += ["", "  Try it:", *_try_it(plan, first.api_key)]
    return "\n".join(["", *lines, "", ""])


def _row(label: str, value: str) -> str:
    return f"  {label:<10}{value}"


def _try_it(plan: Plan, key: str) -> list[str]:
    return [
        f"    curl -X POST {plan.url}/v1/events \\",
        f"      -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\",
        '      -d \'{"name": "user.signed_up", "userId": "u1", "email": "ada@example.com"}\'',
    ]
