"""The first page: is everything alive, and is work being done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hogsend import __version__
from hogsend.db import Database, home
from hogsend.errors import HogsendError
from hogsend.kv.heartbeat import Workers
from hogsend.ops.health import Health, Report
from hogsend.ops.overview import Overview, SendRow, list_recent_sends, read_overview
from hogsend.studio.gate import Visit
from hogsend.studio.pages import Page, Pages
from hogsend.web.http import Request, Response

_LATE_SECONDS = 30.0
_RECENT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLine:
    """One worker; ``is_same`` is False when it runs another version than this api."""

    instance: str
    seen_at: datetime
    version: str
    is_same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage(Page):
    """``overview`` None: the database did not answer. ``engine`` names the orchestrator.

    ``copy`` says why the database counts as a copy, None when it does not.
    """

    report: Report
    overview: Overview | None
    workers: Sequence[WorkerLine]
    sends: Sequence[SendRow]
    engine: str
    copy: str | None
    is_late: bool
    is_empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusViews:
    """``read_workers`` raises HogsendError while Redis is away."""

    pages: Pages
    db: Database
    health: Health
    read_workers: Callable[[], Workers]
    engine: str

    def show(self, req: Request, resp: Response, visit: Visit) -> None:
        """The whole page."""
        self.pages.answer(resp, "status.html", self._page(visit))

    def show_fragment(self, req: Request, resp: Response, visit: Visit) -> None:
        """The part that changes, for the page's own polling; 304 when it did not."""
        html = self.pages.render("_partials/status.html", self._page(visit))
        etag = f'"{hashlib.sha256(html.encode()).hexdigest()[:24]}"'
        resp.set_header("ETag", etag)
        resp.set_header("Cache-Control", "no-store")
        if req.env.get("HTTP_IF_NONE_MATCH") == etag:
            resp.status = 304
            return
        resp.html(html)

    def _page(self, visit: Visit) -> StatusPage:
        overview, sends = self._read()
        return StatusPage(
            title="Status",
            section="status",
            admin=visit.session.admin,
            csrf=visit.csrf,
            report=self.health.report(),
            overview=overview,
            workers=self._workers(),
            sends=sends,
            engine=self.engine,
            copy=self._find_copy(),
            is_late=overview is not None
            and max(overview.late_seconds, overview.outbox.oldest_seconds) > _LATE_SECONDS,
            is_empty=overview is not None and not sends and not overview.under_way,
        )

    def _read(self) -> tuple[Overview | None, Sequence[SendRow]]:
        try:
            return read_overview(self.db), list_recent_sends(self.db, limit=_RECENT)
        except HogsendError:
            return None, ()

    def _find_copy(self) -> str | None:
        try:
            return home.find_reason(self.db, self.db.options)
        except HogsendError:
            return None

    def _workers(self) -> list[WorkerLine]:
        try:
            found = self.read_workers()
        except HogsendError:
            return []
        return [
            WorkerLine(
                instance=name,
                seen_at=seen_at,
                version=found.versions.get(name, ""),
                is_same=found.versions.get(name, "") in ("", __version__),
            )
            for name, seen_at in sorted(found.instances.items())
        ]
