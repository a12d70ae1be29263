"""Routes as data: slices return lists of them, the app composes the lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from hogsend.errors import NotFound
from hogsend.web.describe import RouteDoc
from hogsend.web.http import Request, Response

# handler(req, resp, **path_parameters); path parameters are decoded strings.
Handler = Callable[..., None]
# Sets ``req.principal`` or raises NotAllowed; runs before anything of the request is read.
Guard = Callable[[Request], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path.

    ``path`` may hold whole-segment parameters: ``/v1/groups/{type}/{key}``. They reach the
    handler as keyword arguments, percent-decoded once. GET also answers HEAD. ``doc`` makes the
    route part of ``/openapi.json``.
    """

    method: str
    path: str
    handler: Handler
    guard: Guard | None = None
    doc: RouteDoc | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixGuard:
    """Guards every unknown path below ``prefix``: without a key the answer is 401, not 404."""

    prefix: str
    guard: Guard


Responder = Callable[..., None]


class _Methods(dict[str, Responder]):
    """Methods of one path; any other method is guarded like the path, then unknown."""

    def __init__(self, guard: Guard | None) -> None:
        super().__init__()
        self._guard = guard

    def __missing__(self, method: str) -> Responder:
        return _guarded(_not_found, self._guard)


Found = tuple[object, Mapping[str, Responder], dict[str, str], str | None]


class Router:
    """Finds the responder by the raw request target, so ``a%2Fb`` stays one segment.

    Implements falcon's custom router interface (``find``). Paths are compared exactly: a
    trailing slash is another path.
    """

    def __init__(
        self, routes: Iterable[Route], *, prefix_guards: Sequence[PrefixGuard] = ()
    ) -> None:
        self._static: dict[str, _Methods] = {}
        self._dynamic: dict[int, list[tuple[tuple[str, ...], str, _Methods]]] = {}
        for route in routes:
            self._add(route)
        for patterns in self._dynamic.values():
            patterns.sort(key=_literals_first, reverse=True)
        self._fallbacks = [(p.prefix, _Methods(p.guard)) for p in prefix_guards]
        self._unknown = _Methods(None)

    def find(self, uri: str, req: Request | None = None) -> Found:
        """The endpoint of a path; never None, unknown paths answer with a 404 responder."""
        if "\0" in uri:
            return self, self._fallback(uri), {}, None  # PostgreSQL stores no NUL: nobody's name
        raw = "" if req is None else _raw_path(req.env)
        plain: str | None = uri
        if "%" in raw:
            segments = [unquote(part, errors="replace") for part in raw.split("/")]
            plain = None if any("/" in part for part in segments) else "/".join(segments)
        else:
            segments = []
        if plain is not None and (methods := self._static.get(plain)) is not None:
            return self, methods, {}, plain
        segments = segments or uri.split("/")
        for pattern, template, methods in self._dynamic.get(len(segments), ()):
            params = _match(pattern, segments)
            if params is not None:
                return self, methods, params, template
        return self, self._fallback(uri), {}, None

    def _add(self, route: Route) -> None:
        segments = tuple(route.path.split("/"))
        if "{" in route.path:
            patterns = self._dynamic.setdefault(len(segments), [])
            methods = next((m for s, _, m in patterns if s == segments), None)
            if methods is None:
                methods = _Methods(route.guard)
                patterns.append((segments, route.path, methods))
        else:
            methods = self._static.setdefault(route.path, _Methods(route.guard))
        if route.method in methods:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        responder = _guarded(route.handler, route.guard)
        methods[route.method] = responder
        if route.method == "GET":
            methods.setdefault("HEAD", responder)

    def _fallback(self, path: str) -> _Methods:
        for prefix, methods in self._fallbacks:
            if path.startswith(prefix):
                return methods
        return self._unknown


def _guarded(handler: Handler, guard: Guard | None) -> Responder:
    if guard is None:
        return handler

    def respond(req: Request, resp: Response, **params: str) -> None:
        guard(req)
        handler(req, resp, **params)

    return respond


def _not_found(req: Request, resp: Response, **params: str) -> None:
    raise NotFound("Not Found")


def _raw_path(env: Mapping[str, Any]) -> str:
    """The undecoded path: waitress says REQUEST_URI, falcon's test client RAW_URI."""
    raw: str = env.get("REQUEST_URI") or env.get("RAW_URI") or ""
    if not raw.startswith("/"):
        return ""
    return raw.partition("?")[0]


def _literals_first(entry: tuple[tuple[str, ...], str, _Methods]) -> tuple[bool, ...]:
    return tuple(not segment.startswith("{") for segment in entry[0])


def _match(pattern: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for wanted, actual in zip(pattern, segments, strict=True):
        if wanted.startswith("{"):
            if not actual:
                return None
            params[wanted[1:-1]] = actual
        elif wanted != actual:
            return None
    return params
