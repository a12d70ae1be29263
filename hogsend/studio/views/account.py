"""One's own password and the browsers one is signed in with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hogsend.access.resets import Resets
from hogsend.access.sessions import Session, Sessions
from hogsend.access.sign_in import SignIn
from hogsend.errors import InvalidInput, RateLimited
from hogsend.studio import urls
from hogsend.studio.gate import Visit, form_of
from hogsend.studio.pages import Page, Pages, query_value, redirect
from hogsend.web.http import Request, Response

_NOTICES = {
    "password": "The password is changed; other browsers are signed out.",
    "sessions": "Signed out there.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage(Page):
    """``current_id`` marks the session of this browser."""

    sessions: Sequence[Session]
    current_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountViews:
    """The account screen and its two forms."""

    pages: Pages
    sessions: Sessions
    resets: Resets
    sign_in_flow: SignIn

    def show(self, req: Request, resp: Response, visit: Visit) -> None:
        """Sessions and the password form."""
        self._answer(resp, visit, notice=_NOTICES.get(query_value(req, "done") or ""))

    def change_password(self, req: Request, resp: Response, visit: Visit) -> None:
        """Needs the present password; signs every other browser out."""
        form = form_of(req)
        try:
            self.sign_in_flow.count(f"auth:change:{visit.session.admin.id}", 10, 60)
            self.resets.change(
                visit.session.admin,
                current=form.get("current", "")[:1024],
                new=form.get("password", ""),
                kept_session=visit.session.id,
            )
        except (InvalidInput, RateLimited) as error:
            is_wrong = error.code == "INVALID_PASSWORD"
            message = "The present password is wrong." if is_wrong else error.message
            status = 429 if isinstance(error, RateLimited) else 400
            self._answer(resp, visit, error=message, status=status)
            return
        redirect(resp, f"{urls.ACCOUNT}?done=password")

    def end_sessions(self, req: Request, resp: Response, visit: Visit) -> None:
        """Sign one other browser out, or all others."""
        session_id = form_of(req).get("session")
        if session_id:
            self.sessions.end(session_id, user_id=visit.session.admin.id)
        else:
            self.sessions.end_others(visit.session)
        redirect(resp, f"{urls.ACCOUNT}?done=sessions")

    def _answer(
        self,
        resp: Response,
        visit: Visit,
        *,
        notice: str | None = None,
        error: str | None = None,
        status: int = 200,
    ) -> None:
        page = AccountPage(
            title="Account",
            section="account",
            admin=visit.session.admin,
            csrf=visit.csrf,
            notice=notice,
            error=error,
            sessions=self.sessions.list_of(visit.session.admin.id),
            current_id=visit.session.id,
        )
        self.pages.answer(resp, "account.html", page, status=status)
