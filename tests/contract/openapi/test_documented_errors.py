"""Every route is described, and every refusal the description names really happens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import falcon.testing
import pytest

from hogsend.access.api_keys import create_api_key
from hogsend.container.api import ApiContainer
from hogsend.db import Query
from hogsend.idempotency import store as idempotency_store
from hogsend.kernel.tokens import UnsubscribeClaims
from hogsend.preferences.models import Person
from hogsend.preferences.optin import CONFIRM_PATH, Confirmation, ConfirmLinks
from hogsend.web.describe import DescribedGuard
from hogsend.web.openapi import statuses_of
from hogsend.web.route import Route
from tests.contract.openapi.conftest import build, serve

pytestmark = pytest.mark.integration

MASTER = "master-" + "k" * 32
NOBODYS_PORT = "postgresql://u:p@127.0.0.1:9/x"
LIMIT = 2048
WEBHOOK_SECRET = b"w" * 32
# Interfaces of their own: pages of Studio and the sign-in they use.
OTHER_SURFACES = ("/studio", "/api/auth/")

# Only a mail provider or a broken template can make these happen; the tests of hogsend.email do.
# Answered before any route is found: tests/contract/test_http_server.py.
BY_SERVER = {431}
FOREIGN = {
    ("GET", "/v1/admin/templates/{key}/preview"): {500},
    ("POST", "/v1/admin/templates/{key}/send-test"): {400, 502},
    ("GET", "/v1/admin/domain"): {409, 502},
    ("POST", "/v1/admin/domain"): {409, 502},
    ("POST", "/v1/admin/domain/verify"): {400, 409, 502},
}

Seen = dict[tuple[str, str], set[int]]


def documented(container: ApiContainer) -> list[Route]:
    return [route for route in container.routes if route.doc is not None]


def test_every_public_route_is_described(container: ApiContainer) -> None:
    silent = [
        (route.method, route.path)
        for route in container.routes
        if route.doc is None and not route.path.startswith(OTHER_SURFACES)
    ]

    assert silent == []


def test_every_guard_says_whom_it_lets_pass(container: ApiContainer) -> None:
    for route in documented(container):
        guard: object = route.guard
        assert guard is None or isinstance(guard, DescribedGuard), route.path


def test_every_example_fits_its_schema(container: ApiContainer) -> None:
    for route in documented(container):
        assert route.doc is not None
        if route.doc.body is not None and route.doc.body_example is not None:
            route.doc.body.model_validate_json(json.dumps(route.doc.body_example))
        for answer in route.doc.answers.values():
            if answer.model is not None and answer.example is not None:
                answer.model.model_validate_json(json.dumps(answer.example))


def test_description_is_absent_in_production(dsn: str, redis_url: str) -> None:
    built = build(dsn, redis_url, NODE_ENV="production")
    try:
        client = falcon.testing.TestClient(serve(built))

        answers = [client.simulate_get(path) for path in ("/openapi.json", "/docs")]

        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json == {"error": "Not Found"}
    finally:
        built.close()


def test_page_needs_no_script_and_nothing_else(container: ApiContainer) -> None:
    answer = falcon.testing.TestClient(serve(container)).simulate_get("/docs")

    policy = answer.headers["content-security-policy"]
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert not re.search(r"<script|src=|@import|https?://(?!localhost)", answer.text)
    for route in documented(container):
        assert f"<code>{route.path}</code>" in answer.text


class Caller:
    """Sends requests and notes which route answered with what."""

    def __init__(self, container: ApiContainer, seen: Seen) -> None:
        self.container = container
        self._client = falcon.testing.TestClient(serve(container))
        self._seen = seen

    def call(
        self,
        route: Route,
        *,
        key: str | None = MASTER,
        body: Any = None,
        content_type: str = "application/json",
        query: str = "",
        headers: dict[str, str] | None = None,
        **params: str,
    ) -> int:
        sent = {} if key is None else {"Authorization": f"Bearer {key}"}
        sent |= {"Content-Type": content_type} if body is not None else {}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        params = {"provider": "resend"} | params
        path = re.sub(r"\{(\w+)\}", lambda m: params.get(m[1], str(uuid4())), route.path)
        answer = self._client.simulate_request(
            route.method, path, headers=sent | (headers or {}), body=data, query_string=query
        )
        self._seen[(route.method, route.path)].add(answer.status_code)
        return int(answer.status_code)

    def usual(self, route: Route, **more: Any) -> int:
        """A request that nothing is wrong with."""
        doc = route.doc
        assert doc is not None
        body = doc.body_example
        if doc.body is not None and body is None:
            body = {}
        return self.call(route, **({"body": body} | more))


def test_every_documented_refusal_happens(dsn: str, redis_url: str) -> None:
    seen: Seen = defaultdict(set)
    resend = "whsec_" + base64.b64encode(WEBHOOK_SECRET).decode()
    common = {"RESEND_WEBHOOK_SECRET": resend, "HOGSEND_BODY_LIMIT_BYTES": str(LIMIT)}
    alive = build(dsn, redis_url, **common)
    guarded = build(
        dsn, redis_url, NODE_ENV="development", HOGSEND_FAILED_AUTH_PER_MINUTE="1", **common
    )
    dead = build(NOBODYS_PORT, redis_url, **common)
    containers = (alive, guarded, dead)
    try:
        _refused_by_guards(Caller(alive, seen), Caller(guarded, seen))
        _refused_for_what_was_sent(Caller(alive, seen))
        _refused_for_what_is_there(Caller(alive, seen))
        for route in documented(dead):
            _send_well(Caller(dead, seen), route)
        _behind(dsn, redis_url, seen)
        missing = dict(_missing(alive, seen))
    finally:
        for container in containers:
            container.close()

    assert missing == {}


def _missing(container: ApiContainer, seen: Seen) -> Iterator[tuple[str, list[int]]]:
    for route in documented(container):
        assert route.doc is not None
        wanted = {status for status in statuses_of(route, route.doc) if status >= 400}
        name = (route.method, route.path)
        missing = wanted - seen[name] - FOREIGN.get(name, set()) - BY_SERVER
        if missing:
            yield f"{route.method} {route.path}", sorted(missing)


def _refused_by_guards(alive: Caller, guarded: Caller) -> None:
    _, reader = create_api_key(alive.container.db, name="reader", scopes=["read"])
    for route in documented(alive.container):
        if route.guard is not None:
            alive.usual(route, key=None)
            alive.usual(route, key=reader)
    for route in documented(guarded.container):
        if route.guard is not None:
            guarded.usual(route, key="hsk_wrong")
            guarded.usual(route, key="hsk_wrong")


def _refused_for_what_was_sent(alive: Caller) -> None:
    for route in documented(alive.container):
        doc = route.doc
        assert doc is not None
        if doc.body is not None:
            alive.call(route, body=b"{", content_type=doc.body_media_type)
        if doc.body is not None or doc.security == "signature":
            alive.call(route, body=b"x" * (LIMIT + 1), content_type=doc.body_media_type)
        if doc.query is not None:
            for name in doc.query.model_json_schema(by_alias=True)["properties"]:
                alive.usual(route, query=f"{name}=%00")
        if doc.is_replayed:
            idempotency_store.claim_key(
                alive.container.db,
                scope=f"api {route.method} {route.path}",
                key="k",
                fields={"other": "x"},
                ttl_seconds=60,
                lease_seconds=60,
            )
            alive.usual(route, headers={"Idempotency-Key": "k"})


def _refused_for_what_is_there(alive: Caller) -> None:
    found = {(route.method, route.path): route for route in documented(alive.container)}
    for route in found.values():
        assert route.doc is not None
        if 404 in route.doc.errors or 404 in route.doc.answers:
            alive.usual(route)
    event = found[("POST", "/v1/events")]
    for name in ("first", "second"):
        alive.call(event, body={"name": name, "userId": "u", "idempotencyKey": "k"})
    alive.call(found[("DELETE", "/v1/contacts")], body={"userId": "nobody"})
    alive.call(
        found[("DELETE", "/v1/groups/{group_type}/{group_key}/members/{contact_id}")],
        contact_id="nobody",
    )
    alive.call(found[("POST", "/v1/emails")], body={"userId": "nobody", "template": "welcome"})
    for path in ("/v1/webhooks/email/{provider}", "/v1/webhooks/resend"):
        webhook = found[("POST", path)]
        alive.call(webhook, key=None, body={})
        alive.call(webhook, key=None, body={}, provider="nobody")
        alive.call(webhook, key=None, body=b"[]", headers=_signed(b"[]"))


def _signed(body: bytes) -> dict[str, str]:
    """As Svix signs."""
    message, at = "msg_1", str(int(time.time()))
    digest = hmac.new(WEBHOOK_SECRET, f"{message}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"svix-id": message, "svix-timestamp": at, "svix-signature": signature}


def _send_well(dead: Caller, route: Route) -> None:
    """Everything right, except that there is no database."""
    assert route.doc is not None
    if route.guard is not None:
        dead.usual(route, key="hsk_unread")
    if route.doc.security == "signature":
        body = b'{"type":"email.delivered","data":{"email_id":"1","to":["a@b.example"]}}'
        dead.call(route, key=None, body=body, headers=_signed(body))
        return
    query = ""
    if route.doc.query is not None:
        query = "userId=u&email=a%40b.example"
        if "token" in route.doc.query.model_json_schema()["properties"]:
            query = f"token={_link_token(dead.container, route)}"
    more: dict[str, Any] = {}
    if route.doc.body_media_type != "application/json" and route.doc.body is not None:
        more = {"body": b"comment=x&do=all_off", "content_type": route.doc.body_media_type}
    dead.usual(route, query=query, list_id="in_app", **more)


def _link_token(container: ApiContainer, route: Route) -> str:
    if route.path == CONFIRM_PATH:
        wish = Confirmation(
            id=uuid4(),
            list_id="news",
            person=Person(user_id="u", email="a@b.example"),
            requested_at=container.parts.clock.now(),
            confirmed_at=None,
        )
        return ConfirmLinks("", container.parts.signer).url(wish).partition("token=")[2]
    claims = UnsubscribeClaims(external_id="u", email="a@b.example", action="unsubscribe")
    parts = container.parts
    return parts.signer.mint_unsubscribe_token(
        claims, now=parts.clock.now(), life=timedelta(days=1)
    )


def _behind(dsn: str, redis_url: str, seen: Seen) -> None:
    """A schema that is older than the code."""
    container = build(dsn, redis_url)
    try:
        container.db.run(
            Query(
                "t",
                "DELETE FROM hogsend.migrations WHERE name = "
                "(SELECT max(name) FROM hogsend.migrations)",
            )
        )
        caller = Caller(container, seen)
        for route in documented(container):
            if route.path.startswith("/v1/health"):
                caller.call(route, key=None)
    finally:
        container.close()
