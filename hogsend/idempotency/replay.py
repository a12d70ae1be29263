"""Gives routes an ``Idempotency-Key``: a repeated request gets the first one's answer.

Keys of publishable keys, of secret keys and of different routes never meet. An answer is kept for
a day. A refused request (4xx) keeps nothing, so that it can be corrected under the same key. A
request that died without an answer can be repeated after a minute; the handlers behind this are
idempotent themselves, so carrying one out twice does no harm.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping

import structlog

from hogsend.access.models import Principal
from hogsend.db import Database
from hogsend.errors import Conflict, HogsendError, InvalidInput
from hogsend.idempotency import store
from hogsend.idempotency.store import FirstRequest
from hogsend.kernel.wire_json import JsonValue, loads, stable_stringify
from hogsend.web.body import check_json, is_json
from hogsend.web.http import Request, Response
from hogsend.web.route import Handler, Route

MAX_KEY_LENGTH = 512
REPLAYED = "Idempotency-Replayed"
_METHODS = frozenset({"POST", "PUT"})
# A refreshed token or the key itself does not make it another request.
_IGNORED = frozenset({"userToken", "idempotencyKey"})
_DAY_SECONDS = 24 * 3600.0
_LEASE_SECONDS = 60.0


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
        return [self._wrap(route) if route.method in _METHODS else route for route in routes]

    def _wrap(self, route: Route) -> Route:
        name = f"{route.method} {route.path}"

        def respond(req: Request, resp: Response, **params: str) -> None:
            key = _key_of(req)
            fields = None if key is None else _fields_of(req, params)
            if key is None or fields is None:
                route.handler(req, resp, **params)
                return
            scope = f"{_namespace(req.principal)} {name}"
            if self._claim(scope, key, fields):
                self._carry_out(route.handler, req, resp, params, scope=scope, key=key)
            else:
                self._repeat(resp, fields, scope=scope, key=key)

        doc = route.doc and dataclasses.replace(route.doc, is_replayed=True)
        return dataclasses.replace(route, handler=respond, doc=doc)

    def _claim(self, scope: str, key: str, fields: Mapping[str, str]) -> bool:
        return store.claim_key(
            self._db,
            scope=scope,
            key=key,
            fields=fields,
            ttl_seconds=self._ttl_seconds,
            lease_seconds=self._lease_seconds,
        )

    def _carry_out(
        self,
        handler: Handler,
        req: Request,
        resp: Response,
        params: Mapping[str, str],
        *,
        scope: str,
        key: str,
    ) -> None:
        try:
            handler(req, resp, **params)
        except Exception:
            self._release(scope, key)
            raise
        status = resp.status_code
        if status >= 300 or not resp.data:
            self._release(scope, key)
            return
        store.keep_answer(self._db, scope=scope, key=key, status=status, response=loads(resp.data))

    def _repeat(self, resp: Response, fields: Mapping[str, str], *, scope: str, key: str) -> None:
        first = store.find_key(self._db, scope=scope, key=key)
        different = [] if first is None else _different(first, fields)
        if different:
            raise Conflict(
                "The idempotency key was used for another request; different: "
                + ", ".join(different),
                code="idempotency_key_reused",
                hint="use a new key for a new request",
            )
        if first is None or first.status is None:
            raise Conflict(
                "A request with this idempotency key is still being answered",
                code="request_in_progress",
                hint="repeat it in a moment",
            )
        assert isinstance(first.response, list)
        resp.json(first.response[0], first.status)
        resp.set_header(REPLAYED, "true")

    def _release(self, scope: str, key: str) -> None:
        try:
            store.release_key(self._db, scope=scope, key=key)
        except HogsendError as error:
            # The lease ends by itself; the caller's own error is what counts.
            structlog.get_logger().debug("idempotency.not_released", error=error.message)


def _key_of(req: Request) -> str | None:
    key: str | None = req.env.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and len(key) > MAX_KEY_LENGTH:
        raise InvalidInput(f"Idempotency-Key must have at most {MAX_KEY_LENGTH} characters")
    return key or None


def _namespace(principal: Principal) -> str:
    return f"pk:{principal.id}" if principal.is_publishable else "api"


def _fields_of(req: Request, params: Mapping[str, str]) -> dict[str, str] | None:
    """A digest per field; None for a body the handler is going to refuse."""
    if not is_json(req.content_type):
        return None
    check_json(req.body())  # names of unknown fields are stored too
    try:
        tree = loads(req.body())
    except ValueError:
        return None
    if not isinstance(tree, dict):
        return None
    fields = {f"path {name}": _digest(value) for name, value in params.items()}
    # Null is how some clients say nothing.
    fields |= {
        name: _digest(value)
        for name, value in tree.items()
        if value is not None and name not in _IGNORED
    }
    return fields


def _digest(value: JsonValue) -> str:
    return hashlib.sha256(stable_stringify(value).encode()).hexdigest()[:32]


def _different(first: FirstRequest, fields: Mapping[str, str]) -> list[str]:
    names = sorted(first.fields.keys() | fields.keys())
    return [name for name in names if first.fields.get(name) != fields.get(name)]
