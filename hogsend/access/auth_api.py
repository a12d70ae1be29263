"""``/api/auth/*``: the routes the reference's Studio and desktop app call, and session lists.

Errors have a shape of their own here: ``{"code": "UPPER_SNAKE", "message": "…"}``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import ValidationError

from hogsend.access.auth_schemas import (
    ChangeBody,
    ResetBody,
    ResetRequestBody,
    RevokeBody,
    SignInBody,
    session_json,
    user_json,
)
from hogsend.access.cookies import SessionCookie
from hogsend.access.limits import network_of
from hogsend.access.models import administrator
from hogsend.access.origins import TrustedOrigins
from hogsend.access.passwords import MAX_LENGTH, MIN_LENGTH
from hogsend.access.resets import Resets
from hogsend.access.sessions import LIFE, Session, Sessions
from hogsend.access.sign_in import SignIn
from hogsend.errors import HogsendError, InvalidInput, NotAllowed, RateLimited
from hogsend.kernel.addresses import is_email, normalize_email
from hogsend.web.body import parse_model
from hogsend.web.errors import status_of
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

BASE = "/api/auth"
_NEUTRAL = "If this email exists in our system, check your email for the reset link"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthApi:
    """The handlers; ``has_mail`` False answers reset requests with RESET_PASSWORD_DISABLED."""

    sign_in_flow: SignIn
    sessions: Sessions
    resets: Resets
    cookie: SessionCookie
    origins: TrustedOrigins
    has_mail: bool

    def sign_in(self, req: Request, resp: Response) -> None:
        """Check the password, open a session, set the cookie."""
        if self.cookie.is_sent(req):
            self.origins.check(req)
        else:
            self.origins.check_sign_in(req)
        body = _read(req, SignInBody)
        if not is_email(normalize_email(body.email)):
            raise InvalidInput("Invalid email", code="INVALID_EMAIL")
        admin = self.sign_in_flow.attempt(body.email, body.password, ip=req.client_ip)
        session, token = self.sessions.open(
            admin, remembered=body.remember_me, ip=req.client_ip, agent=req.user_agent
        )
        self.cookie.write(resp, token, life=LIFE if session.remembered else None)
        resp.json({"redirect": False, "token": token, "user": user_json(admin)})

    def sign_out(self, req: Request, resp: Response) -> None:
        """End the session of the cookie; fine without one."""
        self._check_origin(req)
        session = self._find(req)[0]
        if session is not None:
            req.principal = administrator(session.admin)
            self.sessions.end(session.id, user_id=session.admin.id)
        self.cookie.clear(resp)
        resp.json({"success": True})

    def get_session(self, req: Request, resp: Response) -> None:
        """The session of the cookie or null; prolongs it once a day."""
        session, token = self._find(req)
        if session is None or token is None:
            if self.cookie.is_sent(req):
                self.cookie.clear(resp)
            resp.json(None)
            return
        if self.sessions.is_due(session):
            self.sessions.extend(session)
            self.cookie.write(resp, token, life=LIFE)
        resp.json(
            {
                "session": session_json(session) | {"token": token},
                "user": user_json(session.admin),
            }
        )

    def request_reset(self, req: Request, resp: Response) -> None:
        """Mail a link; the answer is the same for every address."""
        self._check_origin(req)
        if not self.has_mail:
            raise InvalidInput("Reset password isn't enabled", code="RESET_PASSWORD_DISABLED")
        body = _read(req, ResetRequestBody)
        if body.redirect_to is not None and not self._may_redirect(body.redirect_to):
            raise NotAllowed("Invalid redirectURL", code="INVALID_REDIRECT_URL")
        self.sign_in_flow.count(f"auth:request-reset:{network_of(req.client_ip)}", 5, 60)
        self.resets.request(body.email)
        resp.json({"status": True, "message": _NEUTRAL})

    def follow_reset(self, req: Request, resp: Response, token: str) -> None:
        """Where links of the reference's form lead: on to the page that asks for the password."""
        target = req.params.get("callbackURL")
        if not isinstance(target, str) or not self._may_redirect(target):
            raise NotAllowed("Invalid callbackURL", code="INVALID_CALLBACK_URL")
        parts = urlsplit(target)
        query = urlencode([*parse_qsl(parts.query), ("token", token)])
        resp.status = 302
        resp.set_header("Location", urlunsplit(parts._replace(query=query)))

    def reset(self, req: Request, resp: Response) -> None:
        """Redeem a token; ends all sessions."""
        self._check_origin(req)
        self.sign_in_flow.count(f"auth:reset:{network_of(req.client_ip)}", 10, 60)
        body = _read(req, ResetBody)
        token = body.token or req.params.get("token")
        _check_length(body.new_password)
        admin = self.resets.redeem(token if isinstance(token, str) else "", body.new_password)
        req.principal = None if admin is None else administrator(admin)
        resp.json({"status": True})

    def change(self, req: Request, resp: Response) -> None:
        """Change one's own password."""
        session = self._require(req)
        self.sign_in_flow.count(f"auth:change:{session.admin.id}", 10, 60)
        body = _read(req, ChangeBody)
        _check_length(body.new_password)
        self.resets.change(
            session.admin,
            current=body.current_password,
            new=body.new_password,
            kept_session=session.id if body.revoke_other_sessions else None,
        )
        resp.json({"token": None, "user": user_json(session.admin)})

    def list_sessions(self, req: Request, resp: Response) -> None:
        """One's own live sessions, newest first; ``current`` marks this one."""
        session = self._require(req, unsafe=False)
        resp.json(
            [
                session_json(other) | {"current": other.id == session.id}
                for other in self.sessions.list_of(session.admin.id)
            ]
        )

    def revoke(self, req: Request, resp: Response) -> None:
        """End one session of one's own; unknown ids change nothing."""
        session = self._require(req)
        body = _read(req, RevokeBody)
        self.sessions.end(body.id, user_id=session.admin.id)
        resp.json({"status": True})

    def revoke_others(self, req: Request, resp: Response) -> None:
        """End every session of one's own but this one."""
        self.sessions.end_others(self._require(req))
        resp.json({"status": True})

    def sign_up(self, req: Request, resp: Response) -> None:
        """Nobody becomes an administrator by arriving first."""
        self.sign_in_flow.count(f"signup:{network_of(req.client_ip)}", 10, 60)
        raise InvalidInput(
            "Email and password sign up is not enabled", code="EMAIL_PASSWORD_SIGN_UP_DISABLED"
        )

    def _find(self, req: Request) -> tuple[Session | None, str | None]:
        token = self.cookie.read(req)
        return (None, None) if token is None else (self.sessions.find(token), token)

    def _require(self, req: Request, *, unsafe: bool = True) -> Session:
        if unsafe:
            self.origins.check(req)
        session = self._find(req)[0]
        if session is None:
            raise NotAllowed("Unauthorized", code="unauthorized")
        req.principal = administrator(session.admin)
        return session

    def _check_origin(self, req: Request) -> None:
        if self.cookie.is_sent(req):
            self.origins.check(req)

    def _may_redirect(self, url: str) -> bool:
        # "/x" stays here; "//host" and "/\host" do not.
        is_local = url.startswith("/") and not url.startswith(("//", "/\\"))
        return (is_local or self.origins.trusts(url)) and url.isprintable()


def routes(api: AuthApi) -> list[Route]:
    """All of ``/api/auth``; none has a guard, each checks its own cookie and origin."""
    table: list[tuple[str, str, Callable[..., None]]] = [
        ("POST", "/sign-in/email", api.sign_in),
        ("POST", "/sign-out", api.sign_out),
        ("GET", "/get-session", api.get_session),
        ("POST", "/request-password-reset", api.request_reset),
        ("GET", "/reset-password/{token}", api.follow_reset),
        ("POST", "/reset-password", api.reset),
        ("POST", "/change-password", api.change),
        ("GET", "/list-sessions", api.list_sessions),
        ("POST", "/revoke-session", api.revoke),
        ("POST", "/revoke-other-sessions", api.revoke_others),
        ("POST", "/sign-up/email", api.sign_up),
    ]
    return [
        Route(method=method, path=BASE + path, handler=_with_auth_errors(handler))
        for method, path, handler in table
    ]


def _with_auth_errors(handler: Callable[..., None]) -> Callable[..., None]:
    def respond(req: Request, resp: Response, **params: str) -> None:
        resp.set_header("Cache-Control", "no-store")
        try:
            handler(req, resp, **params)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in detail["loc"])
            resp.json(
                {"code": "VALIDATION_ERROR", "message": f"[body.{where}] {detail['msg']}"}, 400
            )
        except HogsendError as error:
            status = 401 if error.code == "INVALID_EMAIL_OR_PASSWORD" else status_of(error)
            if status >= 500:
                raise
            if isinstance(error, RateLimited):
                wait = str(max(1, round(error.retry_after_seconds)))
                resp.set_header("Retry-After", wait)
                resp.set_header("X-Retry-After", wait)
            resp.json({"code": error.code.upper(), "message": error.message}, status)

    return respond


def _read(req: Request, model: type[Any]) -> Any:
    if (req.content_type or "").partition(";")[0].strip().lower() == _FORM:
        pairs = parse_qsl(req.body().decode("utf-8", "replace"), keep_blank_values=True)
        return model.model_validate(dict(pairs))
    return parse_model(model, req.body(), content_type=req.content_type)


def _check_length(password: str) -> None:
    if len(password) < MIN_LENGTH:
        raise InvalidInput("Password too short", code="PASSWORD_TOO_SHORT")
    if len(password) > MAX_LENGTH:
        raise InvalidInput("Password too long", code="PASSWORD_TOO_LONG")
