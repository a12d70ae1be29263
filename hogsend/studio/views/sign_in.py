"""Sign in, sign out, forgot, reset, and what to do when there is no administrator yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hogsend.access.cookies import SessionCookie
from hogsend.access.limits import network_of
from hogsend.access.models import administrator
from hogsend.access.origins import TrustedOrigins
from hogsend.access.resets import InvalidResetToken, Resets
from hogsend.access.sessions import LIFE, Sessions
from hogsend.access.sign_in import SignIn, WrongPassword
from hogsend.errors import InvalidInput, RateLimited
from hogsend.studio import urls
from hogsend.studio.gate import Gate, form_of
from hogsend.studio.pages import Page, Pages, query_value, redirect
from hogsend.web.http import Request, Response

_SLOW_DOWN = "Too many attempts. Wait a minute, then try again."
_SENT = (
    "If the address belongs to an administrator, a link is on its way. It is good for 15 minutes."
)
_CHANGED = "The password is changed. Sign in with it."


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage(Page):
    """``following`` is where the form leads; ``email`` is what was typed."""

    following: str = urls.HOME
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPage(Page):
    """``token`` None: the link is worthless."""

    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInViews:
    """The open pages; ``has_admins`` decides between sign-in and first-run page."""

    pages: Pages
    gate: Gate
    sign_in_flow: SignIn
    sessions: Sessions
    resets: Resets
    cookie: SessionCookie
    origins: TrustedOrigins
    has_admins: Callable[[], bool]
    has_mail: bool

    def show(self, req: Request, resp: Response) -> None:
        """The form; somebody who is signed in goes on, a fresh installation to its setup."""
        following = urls.local_path(query_value(req, "next"))
        if self.gate.visitor(req) is not None:
            redirect(resp, following)
        elif not self.has_admins():
            redirect(resp, urls.SETUP)
        else:
            notice = _CHANGED if query_value(req, "changed") else None
            page = SignInPage(title="Sign in", following=following, notice=notice)
            self.pages.answer(resp, "sign_in.html", page)

    def submit(self, req: Request, resp: Response) -> None:
        """Check the password; always a fresh session."""
        self.origins.check_sign_in(req)
        form = form_of(req)
        following = urls.local_path(form.get("next"))
        email = form.get("email", "")[:320]
        try:
            admin = self.sign_in_flow.attempt(
                email, form.get("password", "")[:1024], ip=req.client_ip
            )
        except (WrongPassword, RateLimited) as error:
            is_limited = isinstance(error, RateLimited)
            page = SignInPage(
                title="Sign in",
                following=following,
                email=email,
                error=_SLOW_DOWN if is_limited else "Address or password is wrong.",
            )
            self.pages.answer(resp, "sign_in.html", page, status=429 if is_limited else 401)
            return
        _, token = self.sessions.open(admin, ip=req.client_ip, agent=req.user_agent)
        self.cookie.write(resp, token, life=LIFE)
        redirect(resp, following)

    def sign_out(self, req: Request, resp: Response) -> None:
        """End the session; harmless without one."""
        self.origins.check(req)
        session = self.gate.visitor(req)
        if session is not None:
            req.principal = administrator(session.admin)
            self.sessions.end(session.id, user_id=session.admin.id)
        self.cookie.clear(resp)
        redirect(resp, urls.SIGN_IN)

    def show_setup(self, req: Request, resp: Response) -> None:
        """How to make the first administrator; gone once there is one."""
        if self.has_admins():
            redirect(resp, urls.SIGN_IN)
        else:
            self.pages.answer(resp, "setup.html", Page(title="First administrator"))

    def show_forgot(self, req: Request, resp: Response) -> None:
        """Ask for the address."""
        self.pages.answer(resp, "forgot.html", Page(title="Forgot password", error=self._no_mail()))

    def submit_forgot(self, req: Request, resp: Response) -> None:
        """Mail a link; the answer is the same for every address."""
        self.origins.check_sign_in(req)
        try:
            self.sign_in_flow.count(f"auth:request-reset:{network_of(req.client_ip)}", 5, 60)
        except RateLimited:
            page = Page(title="Forgot password", error=_SLOW_DOWN)
            self.pages.answer(resp, "forgot.html", page, status=429)
            return
        if self.has_mail:
            self.resets.request(form_of(req).get("email", "")[:320])
        page = Page(
            title="Forgot password", notice=_SENT if self.has_mail else None, error=self._no_mail()
        )
        self.pages.answer(resp, "forgot.html", page)

    def show_reset(self, req: Request, resp: Response) -> None:
        """The form behind the mailed link."""
        token = query_value(req, "token") if not query_value(req, "error") else None
        self.pages.answer(resp, "reset.html", ResetPage(title="New password", token=token))

    def submit_reset(self, req: Request, resp: Response) -> None:
        """Redeem the link."""
        self.origins.check_sign_in(req)
        form = form_of(req)
        token: str | None = form.get("token", "")[:256]
        try:
            self.sign_in_flow.count(f"auth:reset:{network_of(req.client_ip)}", 10, 60)
            admin = self.resets.redeem(token or "", form.get("password", ""))
        except RateLimited:
            problem, status = _SLOW_DOWN, 429
        except InvalidResetToken:
            problem, status, token = None, 400, None
        except InvalidInput as error:
            problem, status = error.message, 400
        else:
            req.principal = None if admin is None else administrator(admin)
            redirect(resp, f"{urls.SIGN_IN}?changed=1")
            return
        page = ResetPage(title="New password", token=token, error=problem)
        self.pages.answer(resp, "reset.html", page, status=status)

    def _no_mail(self) -> str | None:
        if self.has_mail:
            return None
        return "This installation sends no mail. Use `hogsend studio admin reset` on the server."
