"""Renders pages: one environment, one set of headers, a typed context each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hogsend import __version__
from hogsend.access.models import Admin
from hogsend.studio import urls
from hogsend.studio.static_files import StaticFiles
from hogsend.web.http import Request, Response

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# The mail's own markup: no script, no form, nothing from the network.
MAIL_CSP = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What every page has; contexts of screens derive from it. ``section`` marks the menu."""

    title: str
    section: str = ""
    admin: Admin | None = None
    csrf: str = ""
    notice: str | None = None
    error: str | None = None


TITLES = {403: "Not allowed", 404: "Not found", 429: "Too many requests", 503: "Not available"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage(Page):
    """What is wrong and what to do; ``status`` is the HTTP status."""

    message: str
    status: int


class Pages:
    """Jinja with escaping on and missing names as errors."""

    def __init__(self, static: StaticFiles) -> None:
        self._environment = Environment(
            loader=PackageLoader("hogsend.studio", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(urls=urls, static=static.url, version=__version__)
        self._environment.filters.update(ago=ago, instant=instant, duration=duration)

    def render(self, template: str, page: Page) -> str:
        """The HTML of a page or of a partial."""
        return self._environment.get_template(template).render(context_of(page))

    def answer(self, resp: Response, template: str, page: Page, *, status: int = 200) -> None:
        """Answer with a page."""
        resp.html(self.render(template, page), status)
        resp.set_header("Content-Security-Policy", CSP)
        resp.set_header("Referrer-Policy", "same-origin")
        resp.set_header("Cache-Control", "no-store")


def redirect(resp: Response, url: str) -> None:
    """See other: what a form post answers with, and pages that need a session."""
    resp.status = 303
    resp.set_header("Location", url)
    resp.set_header("Cache-Control", "no-store")


def context_of(page: Page) -> Mapping[str, Any]:
    """Exactly the fields of the page's context."""
    return {field.name: getattr(page, field.name) for field in fields(page)}


def query_value(req: Request, name: str) -> str | None:
    """One value of the query string."""
    value = req.params.get(name)
    if isinstance(value, list):
        return value[-1] if value else None
    return value


def instant(at: datetime | None) -> str:
    """``2026-01-31 12:00:00 UTC``."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(at: datetime | None) -> str:
    """How long ago, in one unit."""
    if at is None:
        return "never"
    return f"{duration((datetime.now(UTC) - at).total_seconds())} ago"


def duration(seconds: float) -> str:
    """A length of time in its largest unit: ``3 s``, ``12 min``, ``5 h``, ``2 d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
