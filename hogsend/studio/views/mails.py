"""The last mails and one mail, its HTML in a frame that can do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from hogsend.db import Database
from hogsend.email.outbox_reader import StoredMail, read_mail
from hogsend.errors import NotFound
from hogsend.ops.overview import SendDetail, SendRow, find_send, list_recent_sends
from hogsend.studio.gate import Visit
from hogsend.studio.pages import MAIL_CSP, Page, Pages, query_value
from hogsend.tracking.rewrite import without_pixel
from hogsend.web.http import Request, Response

_PER_PAGE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class MailsPage(Page):
    """``older`` is the last id of a full page."""

    sends: Sequence[SendRow]
    older: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPage(Page):
    """``stored`` None: the mail left through a provider, or another machine keeps the file."""

    send: SendDetail
    stored: StoredMail | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailViews:
    """``directory`` is the outbox provider's; None when another provider is in use."""

    pages: Pages
    db: Database
    directory: Path | None

    def show_list(self, req: Request, resp: Response, visit: Visit) -> None:
        """Newest first, 25 a page."""
        before = query_value(req, "before")
        sends = list_recent_sends(
            self.db, limit=_PER_PAGE, before_id=None if before is None else _uuid(before)
        )
        page = MailsPage(
            title="Mails",
            section="mails",
            admin=visit.session.admin,
            csrf=visit.csrf,
            sends=sends,
            older=sends[-1].id if len(sends) == _PER_PAGE else None,
        )
        self.pages.answer(resp, "mails.html", page)

    def show(self, req: Request, resp: Response, visit: Visit, id: str) -> None:
        """One mail with what the ledger knows."""
        send = find_send(self.db, _uuid(id))
        if send is None:
            raise NotFound("Not Found")
        page = MailPage(
            title=send.row.subject or "Mail",
            section="mails",
            admin=visit.session.admin,
            csrf=visit.csrf,
            send=send,
            stored=read_mail(self.directory, send.row.id),
        )
        self.pages.answer(resp, "mail.html", page)

    def show_body(self, req: Request, resp: Response, visit: Visit, id: str) -> None:
        """The mail's own HTML: no script, no form, nothing from the network, no open counted."""
        stored = read_mail(self.directory, _uuid(id))
        if stored is None or stored.html is None:
            raise NotFound("Not Found")
        resp.html(without_pixel(stored.html))
        resp.set_header("Content-Security-Policy", MAIL_CSP)
        resp.set_header("Cache-Control", "no-store")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("Not Found") from None
