"""The session cookie: ``<token>.<base64 HMAC-SHA256>``, percent-encoded, the reference's form."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote, unquote

from hogsend.web.http import Request, Response

_MAX_LENGTH = 512


class SessionCookie:
    """Writes and reads one signed cookie.

    ``__Secure-`` and the Secure attribute are used when ``is_secure`` (administrators sign in at
    an https address). Cookies signed with a ``previous`` secret are still read.
    """

    def __init__(
        self, secret: str, *, previous: Sequence[str] = (), prefix: str, is_secure: bool
    ) -> None:
        self._keys = [key.encode() for key in (secret, *previous)]
        self._is_secure = is_secure
        self.name = f"{'__Secure-' if is_secure else ''}{prefix}.session_token"

    def read(self, req: Request) -> str | None:
        """The token of a genuine cookie; None when there is none or it was tampered with."""
        for value in _values(req.env, self.name):
            token = self._open(value)
            if token is not None:
                return token
        return None

    def is_sent(self, req: Request) -> bool:
        """True when the browser sent the cookie, genuine or not."""
        return next(iter(_values(req.env, self.name)), None) is not None

    def write(self, resp: Response, token: str, *, life: timedelta | None) -> None:
        """Set the cookie; ``life`` None lets it end with the browser."""
        age = "" if life is None else f"Max-Age={int(life.total_seconds())}; "
        self._append(resp, quote(f"{token}.{self._sign(self._keys[0], token)}", safe=""), age)

    def clear(self, resp: Response) -> None:
        """Make the browser forget the cookie."""
        self._append(resp, "", "Max-Age=0; ")

    def _append(self, resp: Response, value: str, age: str) -> None:
        secure = "; Secure" if self._is_secure else ""
        resp.append_header(
            "Set-Cookie", f"{self.name}={value}; {age}Path=/; HttpOnly; SameSite=Lax{secure}"
        )

    def _open(self, value: str) -> str | None:
        token, dot, signature = unquote(value).partition(".")
        if not (dot and token.isascii() and token.isalnum() and signature.isascii()):
            return None
        if any(hmac.compare_digest(self._sign(key, token), signature) for key in self._keys):
            return token
        return None

    def _sign(self, key: bytes, token: str) -> str:
        return base64.b64encode(hmac.digest(key, token.encode(), hashlib.sha256)).decode()


def _values(env: Mapping[str, object], name: str) -> list[str]:
    header = env.get("HTTP_COOKIE")
    if not isinstance(header, str):
        return []
    found = []
    for part in header.split(";"):
        key, equals, value = part.strip().partition("=")
        if equals and key == name and len(value) <= _MAX_LENGTH:
            found.append(value)
    return found
