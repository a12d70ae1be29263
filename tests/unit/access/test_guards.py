from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import falcon.testing
import pytest

from hogsend.access.guards import Guards
from hogsend.access.identity_gate import check_identity
from hogsend.access.models import ApiKey, Principal
from hogsend.access.scopes import check_scopes, grants
from hogsend.errors import InvalidInput, NotAllowed
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.hashing import sha256_hex
from hogsend.kernel.tokens import TokenSigner
from hogsend.web.app import build_app
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = "https://app.example.com"


def key(name: str, scopes: set[str], **changes: Any) -> ApiKey:
    values: dict[str, Any] = {
        "id": UUID(int=7),
        "name": name,
        "prefix": "hsk_1234",
        "scopes": frozenset(scopes),
        "allowed_origins": (),
        "created_by": None,
        "last_used_at": None,
        "revoked_at": None,
        "expires_at": None,
        "created_at": NOW,
    }
    return ApiKey(**(values | changes))


class Keys:
    """Keys by their clear text."""

    def __init__(self) -> None:
        pk = {"ingest-public"}
        self.known = {
            "hsk_ingest": key("ingest", {"ingest"}),
            "hsk_read": key("read", {"read"}),
            "hsk_admin": key("admin", {"full-admin"}),
            "hsk_revoked": key("revoked", {"ingest"}, revoked_at=NOW),
            "hsk_expired": key("expired", {"ingest"}, expires_at=NOW),
            "hsk_expiring": key("expiring", {"ingest"}, expires_at=NOW + timedelta(seconds=1)),
            "pk_ok": key("pk", pk, allowed_origins=(ORIGIN,)),
            "pk_no_origins": key("pk", pk),
            "pk_too_much": key("pk", pk | {"ingest"}, allowed_origins=(ORIGIN,)),
            "pk_nothing": key("pk", {"read"}, allowed_origins=(ORIGIN,)),
            "pk_revoked": key("pk", pk, allowed_origins=(ORIGIN,), revoked_at=NOW),
        }
        self.used: list[str] = []

    def find(self, key_hash: str) -> ApiKey | None:
        return {sha256_hex(text): found for text, found in self.known.items()}.get(key_hash)

    def mark_used(self, key: ApiKey) -> None:
        self.used.append(key.name)


def whoami(req: Request, resp: Response) -> None:
    principal: Principal = req.principal
    resp.json({"name": principal.name, "publishable": principal.is_publishable})


@pytest.fixture
def client() -> falcon.testing.TestClient:
    guards = Guards(Keys(), clock=VirtualClock(NOW), admin_api_key="master")
    return falcon.testing.TestClient(
        build_app(
            [
                Route(
                    method="GET",
                    path="/secret",
                    handler=whoami,
                    guard=guards.require_scope("ingest"),
                ),
                Route(method="GET", path="/browser", handler=whoami, guard=guards.browser()),
            ]
        )
    )


UNAUTHORIZED = (401, "Unauthorized")
LACKING = (403, "Forbidden: insufficient scope")
BAD_ORIGIN = (403, "Forbidden: origin not allowed")


@pytest.mark.parametrize(
    ("path", "header", "origin", "expected"),
    [
        ("/secret", None, None, UNAUTHORIZED),
        ("/secret", "", None, UNAUTHORIZED),
        ("/secret", "bearer hsk_ingest", None, UNAUTHORIZED),
        ("/secret", "Bearer  hsk_ingest", None, UNAUTHORIZED),
        ("/secret", "Basic hsk_ingest", None, UNAUTHORIZED),
        ("/secret", "Bearer ", None, UNAUTHORIZED),
        ("/secret", "Bearer hsk_unknown", None, UNAUTHORIZED),
        ("/secret", "Bearer \u00e9", None, UNAUTHORIZED),
        ("/secret", "Bearer hsk_revoked", None, UNAUTHORIZED),
        ("/secret", "Bearer hsk_expired", None, (401, "API key expired")),
        ("/secret", "Bearer hsk_read", None, LACKING),
        ("/secret", "Bearer pk_ok", ORIGIN, LACKING),
        ("/secret", "Bearer masterx", None, UNAUTHORIZED),
        ("/browser", None, ORIGIN, UNAUTHORIZED),
        ("/browser", "Bearer pk_unknown", ORIGIN, UNAUTHORIZED),
        ("/browser", "Bearer pk_revoked", ORIGIN, UNAUTHORIZED),
        ("/browser", "Bearer pk_ok", None, BAD_ORIGIN),
        ("/browser", "Bearer pk_ok", ORIGIN + "/", BAD_ORIGIN),
        ("/browser", "Bearer pk_ok", ORIGIN.upper(), BAD_ORIGIN),
        ("/browser", "Bearer pk_no_origins", ORIGIN, BAD_ORIGIN),
        ("/browser", "Bearer pk_too_much", ORIGIN, LACKING),
        ("/browser", "Bearer pk_nothing", ORIGIN, LACKING),
        ("/browser", "Bearer hsk_read", None, LACKING),
    ],
)
def test_guard_refuses(
    client: falcon.testing.TestClient,
    path: str,
    header: str | None,
    origin: str | None,
    expected: tuple[int, str],
) -> None:
    headers = {"Authorization": header, "Origin": origin}

    result = client.simulate_get(path, headers={k: v for k, v in headers.items() if v is not None})

    assert (result.status_code, result.json) == (expected[0], {"error": expected[1]})


@pytest.mark.parametrize(
    ("path", "header", "origin", "name", "publishable"),
    [
        ("/secret", "Bearer hsk_ingest", None, "ingest", False),
        ("/secret", "Bearer hsk_expiring", None, "expiring", False),
        ("/secret", "Bearer hsk_admin", None, "admin", False),
        ("/secret", "Bearer master", None, "legacy", False),
        ("/browser", "Bearer pk_ok", ORIGIN, "pk", True),
        ("/browser", "Bearer hsk_ingest", None, "ingest", False),
        ("/browser", "Bearer master", None, "legacy", False),
    ],
)
def test_guard_lets_pass(
    client: falcon.testing.TestClient,
    path: str,
    header: str,
    origin: str | None,
    name: str,
    publishable: bool,
) -> None:
    headers = {"Authorization": header} | ({"Origin": origin} if origin else {})

    result = client.simulate_get(path, headers=headers)

    assert result.json == {"name": name, "publishable": publishable}


@pytest.mark.parametrize(
    ("held", "wanted", "is_granted"),
    [
        ({"read"}, "read", True),
        ({"read"}, "journey-admin", False),
        ({"journey-admin"}, "read", True),
        ({"full-admin"}, "journey-admin", True),
        ({"full-admin"}, "ingest", True),
        ({"full-admin"}, "accounts", True),
        ({"full-admin"}, "ingest-public", False),
        ({"ingest"}, "read", False),
        ({"ingest"}, "referrals", False),
        ({"read", "ingest"}, "ingest", True),
        (set(), "read", False),
    ],
)
def test_scope_implies_what_the_contract_says(
    held: set[str], wanted: str, is_granted: bool
) -> None:
    assert grants(frozenset(held), wanted) is is_granted


def test_scopes_unknown_or_none_are_refused() -> None:
    assert check_scopes(["read", "ingest", "read"]) == ("read", "ingest")
    for scopes in ([], ["root"]):
        with pytest.raises(InvalidInput):
            check_scopes(scopes)


SIGNER = TokenSigner("secret")
TOKEN = SIGNER.mint_user_token("u1", now=NOW)
SECRET = Principal(id="1", name="sk", scopes=frozenset({"ingest"}))
PUBLIC = Principal(id="2", name="pk", scopes=frozenset({"ingest-public"}), is_publishable=True)


@pytest.mark.parametrize(
    ("principal", "user_id", "email", "token", "refusal"),
    [
        (SECRET, None, None, None, (InvalidInput, "email or userId is required")),
        (SECRET, "u1", None, "garbage", None),
        (SECRET, None, "a@b.example", None, None),
        (PUBLIC, None, None, None, None),
        (PUBLIC, "u1", None, TOKEN, None),
        (PUBLIC, "u1", None, None, (NotAllowed, "without a userToken")),
        (PUBLIC, None, "a@b.example", "", (NotAllowed, "without a userToken")),
        (PUBLIC, "u1", None, "garbage", (NotAllowed, "Invalid userToken")),
        (PUBLIC, "u2", None, TOKEN, (NotAllowed, "userToken does not authorize")),
        (PUBLIC, "u1", "a@b.example", TOKEN, (NotAllowed, "userToken does not authorize")),
        (PUBLIC, None, "a@b.example", TOKEN, (NotAllowed, "userToken does not authorize")),
    ],
)
def test_identity_gate_follows_the_table(
    principal: Principal,
    user_id: str | None,
    email: str | None,
    token: str | None,
    refusal: tuple[type[Exception], str] | None,
) -> None:
    def check() -> None:
        claim = SimpleNamespace(user_id=user_id, email=email, user_token=token)
        check_identity(principal, claim, signer=SIGNER, now=NOW)

    if refusal is None:
        check()
    else:
        with pytest.raises(refusal[0], match=refusal[1]):
            check()
