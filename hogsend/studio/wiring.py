"""Builds Studio and lists its routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hogsend.access.cookies import SessionCookie
from hogsend.access.origins import TrustedOrigins
from hogsend.access.resets import Resets
from hogsend.access.sessions import Sessions
from hogsend.access.sign_in import SignIn
from hogsend.db import Database
from hogsend.errors import HogsendError
from hogsend.kv.heartbeat import Workers
from hogsend.ops.health import Health
from hogsend.studio import urls
from hogsend.studio.gate import Gate
from hogsend.studio.pages import TITLES, ErrorPage, Pages, redirect
from hogsend.studio.static_files import StaticFiles
from hogsend.studio.views.account import AccountViews
from hogsend.studio.views.mails import MailViews
from hogsend.studio.views.sign_in import SignInViews
from hogsend.studio.views.status import StatusViews
from hogsend.web.errors import status_of
from hogsend.web.http import Request, Response
from hogsend.web.route import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioParts:
    """What the pages stand on. ``mail_directory`` is the outbox provider's, ``engine`` the
    orchestrator's name and address."""

    db: Database
    health: Health
    sessions: Sessions
    resets: Resets
    sign_in_flow: SignIn
    cookie: SessionCookie
    origins: TrustedOrigins
    secret: str
    has_mail: bool
    has_admins: Callable[[], bool]
    read_workers: Callable[[], Workers]
    engine: str
    mail_directory: Path | None


def routes(parts: StudioParts) -> list[Route]:
    """Every page; forms are POST, answers to them redirects."""
    static = StaticFiles()
    pages = Pages(static)
    gate = Gate(
        sessions=parts.sessions, cookie=parts.cookie, origins=parts.origins, secret=parts.secret
    )
    entrance = SignInViews(
        pages=pages,
        gate=gate,
        sign_in_flow=parts.sign_in_flow,
        sessions=parts.sessions,
        resets=parts.resets,
        cookie=parts.cookie,
        origins=parts.origins,
        has_admins=parts.has_admins,
        has_mail=parts.has_mail,
    )
    status = StatusViews(
        pages=pages,
        db=parts.db,
        health=parts.health,
        read_workers=parts.read_workers,
        engine=parts.engine,
    )
    mails = MailViews(pages=pages, db=parts.db, directory=parts.mail_directory)
    account = AccountViews(
        pages=pages,
        sessions=parts.sessions,
        resets=parts.resets,
        sign_in_flow=parts.sign_in_flow,
    )
    table = [
        _get(urls.ROOT, _to_home),
        _get(urls.STATIC, static.get),
        _get(urls.SIGN_IN, entrance.show),
        _post(urls.SIGN_IN, entrance.submit),
        _post(urls.SIGN_OUT, entrance.sign_out),
        _get(urls.SETUP, entrance.show_setup),
        _get(urls.FORGOT, entrance.show_forgot),
        _post(urls.FORGOT, entrance.submit_forgot),
        _get(urls.RESET, entrance.show_reset),
        _post(urls.RESET, entrance.submit_reset),
        _get(urls.HOME, _with_reset_links(gate.page(status.show))),
        _get(urls.STATUS_FRAGMENT, gate.page(status.show_fragment)),
        _get(urls.MAILS, gate.page(mails.show_list)),
        _get(urls.MAIL, gate.page(mails.show)),
        _get(urls.MAIL_BODY, gate.page(mails.show_body)),
        _get(urls.ACCOUNT, gate.page(account.show)),
        _post(urls.ACCOUNT_CHANGE, gate.form(account.change_password)),
        _post(urls.ACCOUNT_SESSIONS, gate.form(account.end_sessions)),
    ]
    return [replace(route, handler=_with_error_page(pages, route.handler)) for route in table]


def _to_home(req: Request, resp: Response) -> None:
    redirect(resp, urls.HOME + (f"?{req.query_string}" if req.query_string else ""))


def _with_error_page(pages: Pages, view: Callable[..., None]) -> Callable[..., None]:
    """People get a page that says what is wrong and what to do, not JSON."""

    def respond(req: Request, resp: Response, **params: str) -> None:
        try:
            view(req, resp, **params)
        except HogsendError as error:
            status = status_of(error)
            if status == 500:
                raise
            page = ErrorPage(title=TITLES.get(status, "Error"), message=str(error), status=status)
            pages.answer(resp, "error.html", page, status=status)

    return respond


def _with_reset_links(home: Callable[..., None]) -> Callable[..., None]:
    """Reset links asked for by the reference's clients come back to the home page."""

    def respond(req: Request, resp: Response) -> None:
        if {"token", "error"} & req.params.keys():
            redirect(resp, f"{urls.RESET}?{req.query_string}")
        else:
            home(req, resp)

    return respond


def _get(path: str, handler: Callable[..., None]) -> Route:
    return Route(method="GET", path=path, handler=handler)


def _post(path: str, handler: Callable[..., None]) -> Route:
    return Route(method="POST", path=path, handler=handler)
