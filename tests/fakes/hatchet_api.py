"""The REST API of a Hatchet engine as far as a token needs it, over a real socket.

Answers what engine v0.94.16 answered on 2026-11-24, word for word.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_WEAK = (
    "Invalid password. Passwords must be between 8 and 64 characters in length, contain an upper "
    "and lowercase letter, and contain at least one number."
)
Reply = tuple[int, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request; the path is below ``/api/v1``."""

    method: str
    path: str
    body: Any
    cookie: str | None


@dataclass
class HatchetApi:
    """One engine. ``passwords`` are its accounts, ``tenants`` maps a slug to its members.

    ``script`` overrides single answers: path to status, body (text, or an object for JSON) and
    further headers. ``chatter`` are cookies that something before the engine sets.
    """

    passwords: dict[str, str] = field(default_factory=dict)
    tenants: dict[str, set[str]] = field(default_factory=dict)
    allows_signup: bool = True
    allows_tenants: bool = True
    script: dict[str, tuple[int, Any, dict[str, str]]] = field(default_factory=dict)
    chatter: tuple[str, ...] = ()
    prefix: str = ""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def answer(self, asked: Asked) -> tuple[Reply, list[str]]:
        """Status and body, and the cookies to set."""
        body = asked.body or {}
        if asked.path == "/users/register":
            return self._register(body), []
        if asked.path == "/users/login":
            return self._sign_in(body)
        email = self._who(asked.cookie)
        if email is None:
            return (403, {"message": "Please provide valid credentials"}), []
        if asked.path == "/users/memberships":
            rows = [
                {"role": "OWNER", "metadata": {"id": "m"}, "tenant": self.show(slug)}
                for slug, members in self.tenants.items()
                if email in members
            ]
            return (200, {"rows": rows}), []
        if asked.path == "/tenants":
            return self._create(email, body), []
        if match := re.fullmatch(r"/tenants/id-of-([\w-]+)/api-tokens", asked.path):
            return self._mint(email, match[1], body), []
        return (403, None), []

    def show(self, slug: str) -> dict[str, Any]:
        """A tenant as the API shows it."""
        return {"metadata": {"id": f"id-of-{slug}"}, "name": slug, "slug": slug, "version": "V1"}

    @property
    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def _register(self, body: dict[str, str]) -> Reply:
        if not self.allows_signup:
            return 400, _errors("user signups are disabled")
        if re.fullmatch(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{8,64}", body["password"]) is None:
            return 400, _errors(_WEAK, field="password")
        if body["email"] in self.passwords:
            return 400, _errors("registration failed")
        self.passwords[body["email"]] = body["password"]
        return 200, {"email": body["email"], "emailVerified": True, "metadata": {"id": "u"}}

    def _sign_in(self, body: dict[str, str]) -> tuple[Reply, list[str]]:
        if self.passwords.get(body["email"]) != body["password"]:
            return (400, _errors("invalid credentials")), []
        session = f"hatchet=of-{body['email']}; Path=/; Domain=127.0.0.1; HttpOnly; SameSite=Lax"
        return (200, {"email": body["email"], "metadata": {"id": "u"}}), [session]

    def _who(self, cookie: str | None) -> str | None:
        pairs = dict(pair.split("=", 1) for pair in (cookie or "").split("; ") if pair)
        email = pairs.get("hatchet", "").removeprefix("of-")
        return email if email in self.passwords else None

    def _create(self, email: str, body: dict[str, str]) -> Reply:
        if not self.allows_tenants:
            return 400, _errors("tenant signups are disabled")
        if body["slug"] in self.tenants:
            return 400, _errors("Tenant with that slug already exists.")
        self.tenants[body["slug"]] = {email}
        return 200, self.show(body["slug"])

    def _mint(self, email: str, slug: str, body: dict[str, str]) -> Reply:
        if email not in self.tenants.get(slug, ()):
            return 401, {"message": "Not authorized to view this resource"}
        claims = {
            "sub": f"id-of-{slug}", "server_url": self.url, "exp": 1803320281,
            "grpc_broadcast_address": "127.0.0.1:7077", "name": body["name"],
        }  # fmt: skip
        middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return 200, {"token": f"eyJhbGciOiJFUzI1NiJ9.{middle}.c2lnbmF0dXJl"}


@contextmanager
def serving_hatchet(
    engine: HatchetApi, *, tls: ssl.SSLContext | None = None
) -> Iterator[HatchetApi]:
    """The engine at ``engine.url``."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            path = self.path.removeprefix(f"{engine.prefix}/api/v1")
            asked = Asked(
                method=self.command, path=path, body=body, cookie=self.headers.get("cookie")
            )
            engine.asked.append(asked)
            if path in engine.script:
                status, content, headers = engine.script[path]
                cookies: list[str] = []
            else:
                ((status, content), cookies), headers = engine.answer(asked), {}
            text = content if isinstance(content, str) else json.dumps(content)
            kind = "text/html" if isinstance(content, str) else "application/json"
            self.send_response(status)
            for name, value in {"content-type": kind, **headers}.items():
                self.send_header(name, value)
            for cookie in (*engine.chatter, *cookies):
                self.send_header("set-cookie", cookie)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _handle

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        # The handshake belongs to the thread of its connection: a client that breaks it off
        # must not stop the others.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    scheme = "http" if tls is None else "https"
    engine.url = f"{scheme}://127.0.0.1:{server.server_address[1]}{engine.prefix}"
    try:
        yield engine
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def _errors(description: str, **more: str) -> dict[str, Any]:
    return {"errors": [{"description": description, **more}]}
