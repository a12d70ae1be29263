"""Sign-in, sessions, resets and the admin guard over HTTP, on a real database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import falcon.testing
import pytest

from hogsend.access import auth_api
from hogsend.access.admin_guard import AdminGuard
from hogsend.access.admins import create_admin
from hogsend.access.api_keys import create_api_key
from hogsend.access.bootstrap import ensure_first_admin
from hogsend.access.cache import ApiKeyCache
from hogsend.access.cookies import SessionCookie
from hogsend.access.guards import Guards
from hogsend.access.models import Admin
from hogsend.access.origins import TrustedOrigins
from hogsend.access.resets import Resets
from hogsend.access.sessions import Sessions
from hogsend.access.sign_in import SignIn
from hogsend.access.store import list_admins
from hogsend.db import Database, Query
from hogsend.kernel.clock import VirtualClock
from hogsend.kv import Kv
from hogsend.kv.rate_limit import RateLimiter
from hogsend.web.app import build_app
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

pytestmark = pytest.mark.integration

HOME = "https://hogsend.example.com"
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
SECRET = "a-secret-of-more-than-thirty-two-characters"


class Inbox:
    """Keeps what would be mailed."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def send_reset(self, admin: Admin, token: str) -> None:
        """Keep the token."""
        self.tokens.append(token)


class Plane:
    """The routes under test and the parts a test wants to touch."""

    def __init__(self, db: Database, limiter: RateLimiter | None = None) -> None:
        self.db = db
        self.clock = VirtualClock()
        self.inbox = Inbox()
        self.cookie = SessionCookie(SECRET, prefix="hogsend", is_secure=True)
        origins = TrustedOrigins([HOME, "http://localhost:3002"])
        sessions = Sessions(db, clock=self.clock)
        api = auth_api.AuthApi(
            sign_in_flow=SignIn(db, limiter=limiter),
            sessions=sessions,
            resets=Resets(db, clock=self.clock, mail=self.inbox),
            cookie=self.cookie,
            origins=origins,
            has_mail=True,
        )
        self.keys = ApiKeyCache(db, clock=self.clock)
        guard = AdminGuard(
            Guards(self.keys, clock=self.clock, admin_api_key="master-key"),
            sessions=sessions,
            cookie=self.cookie,
            origins=origins,
            limits=None,
        )

        def who(req: Request, resp: Response) -> None:
            resp.json({"name": req.principal.name})

        app = build_app(
            [
                *auth_api.routes(api),
                Route(method="GET", path="/v1/admin/who", handler=who, guard=guard),
                Route(method="POST", path="/v1/admin/who", handler=who, guard=guard),
            ]
        )
        self.client = falcon.testing.TestClient(app)

    def post(
        self, path: str, body: Any = None, *, cookie: str | None = None, **headers: str
    ) -> falcon.testing.Result:
        """POST JSON to ``/api/auth``; from our own page when a cookie is sent."""
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        if cookie is not None:
            sent = {"Cookie": cookie, "Origin": HOME} | sent
        return self.client.simulate_post(f"/api/auth{path}", json=body or {}, headers=sent)

    def get(self, path: str, *, cookie: str | None = None) -> falcon.testing.Result:
        """GET below ``/api/auth``."""
        headers = {} if cookie is None else {"Cookie": cookie}
        return self.client.simulate_get(f"/api/auth{path}", headers=headers)

    def sign_in(self, **extra: Any) -> str:
        """The Cookie header of a new session."""
        answer = self.post("/sign-in/email", {"email": EMAIL, "password": PASSWORD} | extra)
        assert answer.status_code == 200, answer.text
        return cookie_of(answer)


def cookie_of(answer: falcon.testing.Result) -> str:
    """``name=value`` of the Set-Cookie header."""
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.fixture
def plane(database: Database) -> Iterator[Plane]:
    """Routes over a database with one administrator."""
    create_admin(database, email=EMAIL, password=PASSWORD, name="Ada")
    made = Plane(database)
    yield made
    made.keys.close()


def test_sign_in_sets_a_signed_cookie_that_opens_the_session(plane: Plane) -> None:
    answer = plane.post("/sign-in/email", {"email": "ADA@example.com ", "password": PASSWORD})

    assert answer.json["redirect"] is False
    assert answer.json["user"]["email"] == EMAIL
    header = answer.headers["set-cookie"]
    assert re.fullmatch(
        r"__Secure-hogsend\.session_token=[A-Za-z0-9]{32}\.[A-Za-z0-9%]+; Max-Age=604800; Path=/;"
        r" HttpOnly; SameSite=Lax; Secure",
        header,
    )
    session = plane.get("/get-session", cookie=cookie_of(answer)).json
    assert session["user"]["name"] == "Ada"
    assert session["session"]["token"] == answer.json["token"]


def test_sign_in_with_a_form_body_is_accepted(plane: Plane) -> None:
    answer = plane.client.simulate_post(
        "/api/auth/sign-in/email",
        body=f"email={EMAIL}&password={PASSWORD.replace(' ', '+')}",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": EMAIL, "password": "wrong password"}, 401, "INVALID_EMAIL_OR_PASSWORD"),
        ({"email": "eve@example.com", "password": PASSWORD}, 401, "INVALID_EMAIL_OR_PASSWORD"),
        ({"email": "ada", "password": PASSWORD}, 400, "INVALID_EMAIL"),
        ({"email": EMAIL}, 400, "VALIDATION_ERROR"),
    ],
)
def test_sign_in_when_wrong_is_refused_without_a_cookie(
    plane: Plane, body: dict[str, str], status: int, code: str
) -> None:
    answer = plane.post("/sign-in/email", body)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert "set-cookie" not in answer.headers


def test_sign_in_for_an_unknown_account_hashes_as_much_as_for_a_known_one(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hogsend.access import admins

    checked: list[str] = []

    def verify(password: str, stored: str) -> bool:
        checked.append(stored.rpartition("$")[0].rpartition("$")[0])
        return False

    monkeypatch.setattr(admins, "verify_password", verify)
    for email in (EMAIL, "nobody@example.com"):
        plane.post("/sign-in/email", {"email": email, "password": "x" * 10})

    assert len(checked) == 2
    assert checked[0] == checked[1]


def test_sign_in_with_a_password_of_the_reference_stores_it_anew(plane: Plane) -> None:
    import hashlib

    salt = "00112233445566778899aabbccddeeff"
    key = hashlib.scrypt(
        PASSWORD.encode(), salt=salt.encode(), n=16384, r=16, p=1, dklen=64, maxmem=2**27
    )
    plane.db.run(Query.parse("old", "UPDATE account SET password = :p"), p=f"{salt}:{key.hex()}")

    plane.sign_in()

    stored = plane.db.run(Query.parse("read", "SELECT password FROM account"))[0][0]
    assert stored.startswith("$argon2id$")
    plane.sign_in()


def test_session_token_is_stored_as_a_hash_only(plane: Plane) -> None:
    token = plane.post("/sign-in/email", {"email": EMAIL, "password": PASSWORD}).json["token"]

    stored = plane.db.run(Query.parse("read", "SELECT s::text FROM session s"))

    assert token not in str(stored)


def test_session_cookie_planted_before_sign_in_does_not_become_the_session(plane: Plane) -> None:
    planted = plane.sign_in()

    fresh = plane.post("/sign-in/email", {"email": EMAIL, "password": PASSWORD}, cookie=planted)

    assert cookie_of(fresh) != planted


@pytest.mark.parametrize("change", ["signature", "token", "unsigned", "garbage", "other name"])
def test_session_cookie_when_forged_opens_nothing_and_is_cleared(plane: Plane, change: str) -> None:
    cookie = plane.sign_in()
    name, _, value = cookie.partition("=")
    token, _, signature = value.partition(".")
    forged = {
        "signature": f"{name}={token}.{'A' * 43}%3D",
        "token": f"{name}={'a' * 32}.{signature}",
        "unsigned": f"{name}={token}",
        "garbage": f"{name}=%00%ff.%ff",
        "other name": f"hogsend.session_token={value}",
    }[change]

    answer = plane.get("/get-session", cookie=forged)

    assert answer.json is None
    assert ("Max-Age=0" in answer.headers.get("set-cookie", "")) == (change != "other name")


def test_session_when_expired_opens_nothing(plane: Plane) -> None:
    cookie = plane.sign_in()

    plane.clock.advance(timedelta(days=7, seconds=1))

    assert plane.get("/get-session", cookie=cookie).json is None


def test_session_when_a_day_old_is_prolonged_and_the_cookie_sent_again(plane: Plane) -> None:
    cookie = plane.sign_in()
    assert "set-cookie" not in plane.get("/get-session", cookie=cookie).headers

    plane.clock.advance(timedelta(days=1, seconds=1))
    answer = plane.get("/get-session", cookie=cookie)

    assert "Max-Age=604800" in answer.headers["set-cookie"]
    plane.clock.advance(timedelta(days=6, hours=23))
    assert plane.get("/get-session", cookie=cookie).json is not None


def test_session_that_is_not_remembered_lives_one_day_and_is_never_prolonged(plane: Plane) -> None:
    answer = plane.post(
        "/sign-in/email", {"email": EMAIL, "password": PASSWORD, "rememberMe": False}
    )
    assert "Max-Age" not in answer.headers["set-cookie"]
    cookie = cookie_of(answer)

    plane.clock.advance(timedelta(hours=23))
    assert plane.get("/get-session", cookie=cookie).json is not None
    plane.clock.advance(timedelta(hours=2))

    assert plane.get("/get-session", cookie=cookie).json is None


def test_sign_out_ends_the_session_and_clears_the_cookie(plane: Plane) -> None:
    cookie = plane.sign_in()

    answer = plane.post("/sign-out", cookie=cookie)

    assert answer.json == {"success": True}
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert plane.get("/get-session", cookie=cookie).json is None


@pytest.mark.parametrize("path", ["/sign-out", "/change-password", "/revoke-other-sessions"])
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, "INVALID_ORIGIN"),
        ({"Origin": "https://hogsend.example.com.evil.example"}, "INVALID_ORIGIN"),
        ({"Origin": "http://hogsend.example.com"}, "INVALID_ORIGIN"),
        ({"Origin": "null"}, "MISSING_OR_NULL_ORIGIN"),
        ({"Origin": "", "Referer": "https://evil.example/x"}, "MISSING_OR_NULL_ORIGIN"),
        ({"Origin": ""}, "MISSING_OR_NULL_ORIGIN"),
    ],
)
def test_cookie_request_from_elsewhere_is_refused(
    plane: Plane, path: str, headers: dict[str, str], code: str
) -> None:
    cookie = plane.sign_in()

    answer = plane.post(path, cookie=cookie, **headers)

    assert (answer.status_code, answer.json["code"]) == (403, code)
    assert plane.get("/get-session", cookie=cookie).json is not None


def test_sign_in_form_on_another_site_is_blocked(plane: Plane) -> None:
    answer = plane.post(
        "/sign-in/email",
        {"email": EMAIL, "password": PASSWORD},
        Sec_Fetch_Site="cross-site",
        Sec_Fetch_Mode="navigate",
    )

    assert answer.json["code"] == "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED"


def test_sign_up_is_closed_to_everybody(database: Database) -> None:
    plane = Plane(database)

    answer = plane.post("/sign-up/email", {"email": "eve@example.com", "password": PASSWORD})

    assert (answer.status_code, answer.json["code"]) == (400, "EMAIL_PASSWORD_SIGN_UP_DISABLED")
    assert list_admins(database) == []
    plane.keys.close()


def test_reset_link_sets_the_password_once_and_ends_every_session(plane: Plane) -> None:
    cookie = plane.sign_in()
    plane.post("/request-password-reset", {"email": EMAIL, "redirectTo": f"{HOME}/studio/"})
    token = plane.inbox.tokens[0]

    answer = plane.post("/reset-password", {"newPassword": "another password", "token": token})
    again = plane.post("/reset-password", {"newPassword": "third password", "token": token})

    assert answer.json == {"status": True}
    assert again.json["code"] == "INVALID_TOKEN"
    assert plane.get("/get-session", cookie=cookie).json is None
    assert plane.post("/sign-in/email", {"email": EMAIL, "password": PASSWORD}).status_code == 401
    new = {"email": EMAIL, "password": "another password"}
    assert plane.post("/sign-in/email", new).status_code == 200


def test_reset_link_after_fifteen_minutes_is_worthless(plane: Plane) -> None:
    plane.post("/request-password-reset", {"email": EMAIL})

    plane.clock.advance(timedelta(minutes=15, seconds=1))
    body = {"newPassword": "another password", "token": plane.inbox.tokens[0]}

    assert plane.post("/reset-password", body).json["code"] == "INVALID_TOKEN"


def test_reset_request_answers_the_same_for_everybody(plane: Plane) -> None:
    known = plane.post("/request-password-reset", {"email": EMAIL})
    unknown = plane.post("/request-password-reset", {"email": "nobody@example.com"})

    assert known.json == unknown.json
    assert len(plane.inbox.tokens) == 1


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_reset_redirect_to_elsewhere_is_refused(plane: Plane, target: str) -> None:
    answer = plane.post("/request-password-reset", {"email": EMAIL, "redirectTo": target})
    followed = plane.client.simulate_get(
        "/api/auth/reset-password/abc", params={"callbackURL": target}
    )

    assert (answer.status_code, answer.json["code"]) == (403, "INVALID_REDIRECT_URL")
    assert followed.status_code == 403


def test_reset_link_leads_to_the_page_with_the_token(plane: Plane) -> None:
    answer = plane.client.simulate_get(
        "/api/auth/reset-password/abc", params={"callbackURL": f"{HOME}/studio/?a=1"}
    )

    assert answer.status_code == 302
    assert answer.headers["location"] == f"{HOME}/studio/?a=1&token=abc"


@pytest.mark.parametrize(
    ("length", "code"), [(7, "PASSWORD_TOO_SHORT"), (129, "PASSWORD_TOO_LONG")]
)
def test_reset_with_a_bad_password_keeps_the_token(plane: Plane, length: int, code: str) -> None:
    plane.post("/request-password-reset", {"email": EMAIL})
    token = plane.inbox.tokens[0]

    refused = plane.post("/reset-password", {"newPassword": "x" * length, "token": token})
    accepted = plane.post("/reset-password", {"newPassword": "x" * 12, "token": token})

    assert refused.json["code"] == code
    assert accepted.status_code == 200


def test_change_password_needs_the_old_one_and_ends_the_other_sessions(plane: Plane) -> None:
    mine, other = plane.sign_in(), plane.sign_in()
    wrong = {"currentPassword": "nope nope", "newPassword": "another password"}
    right = {"currentPassword": PASSWORD, "newPassword": "another password"}

    assert plane.post("/change-password", wrong, cookie=mine).json["code"] == "INVALID_PASSWORD"
    assert plane.post("/change-password", right, cookie=mine).status_code == 200

    assert plane.get("/get-session", cookie=mine).json is not None
    assert plane.get("/get-session", cookie=other).json is None


def test_sessions_are_listed_and_ended_one_by_one(plane: Plane) -> None:
    mine, other = plane.sign_in(), plane.sign_in()

    listed = plane.get("/list-sessions", cookie=mine).json
    foreign = next(s["id"] for s in listed if not s["current"])
    plane.post("/revoke-session", {"id": foreign}, cookie=mine)

    assert [s["current"] for s in listed].count(True) == 1
    assert plane.get("/get-session", cookie=other).json is None
    assert plane.get("/get-session", cookie=mine).json is not None


def test_session_of_somebody_else_cannot_be_ended(plane: Plane) -> None:
    create_admin(plane.db, email="bob@example.com", password=PASSWORD)
    mine, theirs = plane.sign_in(), plane.sign_in(email="bob@example.com")
    their_id = plane.get("/list-sessions", cookie=theirs).json[0]["id"]

    plane.post("/revoke-session", {"id": their_id}, cookie=mine)

    assert plane.get("/get-session", cookie=theirs).json is not None


def test_admin_plane_accepts_a_key_or_a_session(plane: Plane) -> None:
    cookie = plane.sign_in()

    def ask(**headers: str) -> falcon.testing.Result:
        return plane.client.simulate_get("/v1/admin/who", headers=headers)

    assert ask().status_code == 401
    assert ask(Authorization="Bearer master-key").json == {"name": "legacy"}
    assert ask(Cookie=cookie).json == {"name": EMAIL}
    assert ask(Cookie=cookie, Authorization="Bearer wrong").status_code == 401


def test_admin_plane_with_an_ingest_key_is_forbidden(plane: Plane) -> None:
    _, key = create_api_key(plane.db, name="ingest", scopes=["ingest"], created_by="test")

    answer = plane.client.simulate_get("/v1/admin/who", headers={"Authorization": f"Bearer {key}"})

    assert (answer.status_code, answer.json["error"]) == (403, "Forbidden: insufficient scope")


def test_admin_plane_changes_by_cookie_only_from_our_pages(plane: Plane) -> None:
    cookie = plane.sign_in()

    def post(**headers: str) -> int:
        answer = plane.client.simulate_post("/v1/admin/who", headers={"Cookie": cookie} | headers)
        return answer.status_code

    assert post() == 403
    assert post(Origin="https://evil.example") == 403
    assert post(Origin=HOME) == 200
    assert post(**{"Sec-Fetch-Site": "same-origin"}) == 200


@pytest.mark.parametrize("has_redis", [True, False])
def test_wrong_passwords_at_volume_are_slowed_down_on_every_replica(
    database: Database, redis_url: str, has_redis: bool
) -> None:
    create_admin(database, email=EMAIL, password=PASSWORD)
    url = redis_url if has_redis else "redis://127.0.0.1:1/0"
    kv = [Kv(url, prefix=""), Kv(url, prefix="")]
    clock = VirtualClock()
    replicas = [Plane(database, RateLimiter(one, clock=clock)) for one in kv]

    statuses = [
        replicas[n % 2].post("/sign-in/email", {"email": EMAIL, "password": "x" * 10}).status_code
        for n in range(24)
    ]

    # Together ten a minute with Redis, ten each without.
    allowed = 10 if has_redis else 20
    assert statuses == [401] * allowed + [429] * (24 - allowed)
    for client in kv:
        client.close()
    for replica in replicas:
        replica.keys.close()


def test_first_admin_made_by_several_replicas_at_once_is_one(database: Database) -> None:
    def boot(_: int) -> None:
        ensure_first_admin(database, email=EMAIL, password=PASSWORD)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(boot, range(8)))

    assert [admin.email for admin in list_admins(database)] == [EMAIL]
