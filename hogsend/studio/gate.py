"""Who is at the page: finds the session, sends strangers to the sign-in page, checks forms."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from hogsend.access.cookies import SessionCookie
from hogsend.access.models import administrator
from hogsend.access.origins import TrustedOrigins
from hogsend.access.sessions import LIFE, Session, Sessions
from hogsend.errors import NotAllowed
from hogsend.studio import urls
from hogsend.studio.pages import redirect
from hogsend.web.http import Request, Response

_FIELD = "csrf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A signed-in administrator; ``csrf`` goes into every form of the page."""

    session: Session
    csrf: str


View = Callable[..., None]


class Gate:
    """Wraps views. A view gets the visit as its third argument."""

    def __init__(
        self, *, sessions: Sessions, cookie: SessionCookie, origins: TrustedOrigins, secret: str
    ) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._origins = origins
        self._key = hashlib.sha256(f"studio-csrf:{secret}".encode()).digest()

    def page(self, view: View) -> View:
        """A GET for administrators; prolongs the session once a day."""

        def respond(req: Request, resp: Response, **params: str) -> None:
            visit = self._visit(req, resp)
            if visit is None:
                query = f"?{req.query_string}" if req.query_string else ""
                redirect(resp, urls.sign_in(urls.local_path(req.path + query)))
                return
            view(req, resp, visit, **params)

        return respond

    def form(self, view: View) -> View:
        """A POST for administrators: from our own page, with its token."""

        def respond(req: Request, resp: Response, **params: str) -> None:
            self._origins.check(req)
            visit = self._visit(req, resp)
            if visit is None:
                redirect(resp, urls.SIGN_IN)
                return
            sent = form_of(req).get(_FIELD, "")
            if not hmac.compare_digest(visit.csrf.encode(), sent.encode("utf-8", "replace")):
                raise NotAllowed("The form is out of date: load the page again", code="csrf")
            view(req, resp, visit, **params)

        return respond

    def visitor(self, req: Request) -> Session | None:
        """The session without any effect."""
        token = self._cookie.read(req)
        return None if token is None else self._sessions.find(token)

    def _visit(self, req: Request, resp: Response) -> Visit | None:
        token = self._cookie.read(req)
        session = None if token is None else self._sessions.find(token)
        if session is None or token is None:
            return None
        if self._sessions.is_due(session):
            self._sessions.extend(session)
            self._cookie.write(resp, token, life=LIFE)
        req.principal = administrator(session.admin)
        digest = hmac.digest(self._key, token.encode(), hashlib.sha256)
        return Visit(session=session, csrf=base64.urlsafe_b64encode(digest).decode().rstrip("="))


def form_of(req: Request) -> Mapping[str, str]:
    """The fields of a posted form; of a repeated one the last."""
    return dict(parse_qsl(req.body().decode("utf-8", "replace"), keep_blank_values=True))
