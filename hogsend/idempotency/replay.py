"""Gives routes an ``Idempotency-Key``: a repeated request gets the first one's answer.

Keys of publishable keys, of secret keys and of different routes never meet. An answer is kept for
a day. A refused request (4xx) keeps nothing, so that it can be corrected under the same key. A
request that died without an answer can be repeated after a minute; the handlers behind this are
idempotent themselves, so carrying one out twice does no harm.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from hogsend.access.models import Principal
from hogsend.db import Database
from hogsend.errors import Conflict, HogsendError, InvalidInput
from hogsend.idempotency import store
from hogsend.idempotency.store import FirstRequest
from hogsend.kernel.wire_json import JsonValue, loads, stable_stringify
from hogsend.web.body import check_json, is_json
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

MAX_KEY_LENGTH = 512
REPLAYED = "Idempotency-Replayed"
_METHODS = frozenset({"POST", "PUT"})
# A refreshed token or the key itself does not make it another request.
_IGNORED = frozenset({"userToken", "idempotencyKey"})
_DAY_SECONDS = 24 * 3600.0
_LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keyed:
    """A request with a key; ``carry_out`` runs the route's own handler."""

    scope: str
    key: str
    fields: Mapping[str, str]
    carry_out: Callable[[], None]


Act = Callable[[_Keyed, Response], None]


class Replay:
    """Wraps routes; one per process."""

    def __init__(
        self,
        db: Database,
        *,
        ttl_seconds: float = _DAY_SECONDS,
        lease_seconds: float = _LEASE_SECONDS,
    ) -> None:
        self._db = db
        self._ttl_seconds = ttl_seconds
        self._lease_seconds = lease_seconds

    def over(self, routes: Iterable[Route]) -> list[Route]:
        """The same routes; those that write honour an ``Idempotency-Key`` header."""
        return [
            self._wrap(route, self._replay) if route.method in _METHODS else route
            for route in routes
        ]

    def compare(self, routes: Iterable[Route]) -> list[Route]:
        """The same routes, for handlers that know their own keys (header or ``idempotencyKey``).

        They are asked every time and answer what became of the first request; another request
        under its key never reaches them.
        """
        return [
            self._wrap(route, self._compare) if route.method in _METHODS else route
            for route in routes
        ]

    def _wrap(self, route: Route, act: Act) -> Route:
        name = f"{route.method} {route.path}"

        def respond(req: Request, resp: Response, **params: str) -> None:
            tree = _body_of(req)
            key = _key_of(req, tree if act == self._compare else None)
            if key is None or tree is None:
                route.handler(req, resp, **params)
                return
            request = _Keyed(
                scope=f"{_namespace(req.principal)} {name}",
                key=key,
                fields=_fields_of(tree, params),
                carry_out=lambda: route.handler(req, resp, **params),
            )
            act(request, resp)

        doc = route.doc and dataclasses.replace(route.doc, is_replayed=True)
        return dataclasses.replace(route, handler=respond, doc=doc)

    def _replay(self, request: _Keyed, resp: Response) -> None:
        if not self._claim(request):
            self._repeat(request, resp)
            return
        self._carry_out(request)
        status = resp.status_code
        if status >= 300 or not resp.data:
            self._release(request)
            return
        store.keep_answer(
            self._db,
            scope=request.scope,
            key=request.key,
            status=status,
            response=loads(resp.data),
        )

    def _compare(self, request: _Keyed, resp: Response) -> None:
        is_first = self._claim(request)
        if not is_first:
            self._find_same(request)
            request.carry_out()
            return
        self._carry_out(request)
        if resp.status_code >= 300:
            self._release(request)

    def _claim(self, request: _Keyed) -> bool:
        return store.claim_key(
            self._db,
            scope=request.scope,
            key=request.key,
            fields=request.fields,
            ttl_seconds=self._ttl_seconds,
            lease_seconds=self._lease_seconds,
        )

    def _carry_out(self, request: _Keyed) -> None:
        try:
            request.carry_out()
        except Exception:
            self._release(request)
            raise

    def _repeat(self, request: _Keyed, resp: Response) -> None:
        first = self._find_same(request)
        if first is None or first.status is None:
            raise Conflict(
                "A request with this idempotency key is still being answered",
                code="request_in_progress",
                hint="repeat it in a moment",
            )
        assert isinstance(first.response, list)
        resp.json(first.response[0], first.status)
        resp.set_header(REPLAYED, "true")

    def _find_same(self, request: _Keyed) -> FirstRequest | None:
        """The first request under the key; raises Conflict when it was another one."""
        first = store.find_key(self._db, scope=request.scope, key=request.key)
        different = [] if first is None else _different(first, request.fields)
        if different:
            raise Conflict(
                "The idempotency key was used for another request; different: "
                + ", ".join(different),
                code="idempotency_key_reused",
                hint="use a new key for a new request",
            )
        return first

    def _release(self, request: _Keyed) -> None:
        try:
            store.release_key(self._db, scope=request.scope, key=request.key)
        except HogsendError as error:
            # The lease ends by itself; the caller's own error is what counts.
            structlog.get_logger().debug("idempotency.not_released", error=error.message)


def _key_of(req: Request, body: Mapping[str, JsonValue] | None) -> str | None:
    """The header's key, else the body's where that is one."""
    key: str | None = req.env.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and len(key) > MAX_KEY_LENGTH:
        raise InvalidInput(f"Idempotency-Key must have at most {MAX_KEY_LENGTH} characters")
    given = None if body is None else body.get("idempotencyKey")
    if not key and isinstance(given, str) and len(given) <= MAX_KEY_LENGTH:
        return given or None
    return key or None


def _namespace(principal: Principal) -> str:
    return f"pk:{principal.id}" if principal.is_publishable else "api"


def _body_of(req: Request) -> dict[str, JsonValue] | None:
    """The JSON object of a body; None for one the handler is going to refuse."""
    if not is_json(req.content_type):
        return None
    check_json(req.body())  # names of unknown fields are stored too
    try:
        tree = loads(req.body())
    except ValueError:
        return None
    return tree if isinstance(tree, dict) else None


def _fields_of(body: Mapping[str, JsonValue], params: Mapping[str, str]) -> dict[str, str]:
    """A digest per field."""
    fields = {f"path {name}": _digest(value) for name, value in params.items()}
    # Null is how some clients say nothing.
    fields |= {
        name: _digest(value)
        for name, value in body.items()
        if value is not None and name not in _IGNORED
    }
    return fields


def _digest(value: JsonValue) -> str:
    return hashlib.sha256(stable_stringify(value).encode()).hexdigest()[:32]


def _different(first: FirstRequest, fields: Mapping[str, str]) -> list[str]:
    names = sorted(first.fields.keys() | fields.keys())
    return [name for name in names if first.fields.get(name) != fields.get(name)]
