"""Every change by an administrator leaves a row, without a secret and without waiting."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import falcon.testing
import pytest

from hogsend import settings as environment
from hogsend.access.admins import create_admin
from hogsend.access.api_keys import create_api_key
from hogsend.access.audit import AuditLog, AuditTrail
from hogsend.container.api import ApiContainer, build_api
from hogsend.db import Database, Query
from hogsend.db.errors import DatabaseUnavailable
from hogsend.kernel.clock import VirtualClock
from hogsend.web.app import WebOptions, build_app
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

pytestmark = pytest.mark.integration

HOME = "http://localhost:3002"
EMAIL, PASSWORD, NEXT = "ada@example.com", "correct horse battery", "another horse battery"
FORM = "application/x-www-form-urlencoded"


class Proxied(falcon.testing.TestClient):
    """Calls through a proxy we trust; what the caller claims before it is not believed."""

    def simulate_request(self, *args: Any, **kwargs: Any) -> falcon.testing.Result:
        headers = {"Origin": HOME, "X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
        kwargs["headers"] = headers | dict(kwargs.get("headers") or {})
        return super().simulate_request(*args, remote_addr="127.0.0.1", **kwargs)


class House:
    """The whole api; ``rows`` waits for the audit thread by closing the api."""

    def __init__(self, dsn: str, redis_url: str, database: Database) -> None:
        self.db = database
        self.container: ApiContainer = build_api(
            environment.load(
                {
                    "DATABASE_URL": dsn,
                    "REDIS_URL": redis_url,
                    "BETTER_AUTH_SECRET": "x" * 32,
                    "HOGSEND_ORCHESTRATOR": "local",
                    "NODE_ENV": "test",
                    "ADMIN_API_KEY": "master-" + "k" * 32,
                },
                mode="api",
            )
        )
        app = build_app(
            self.container.routes,
            options=WebOptions(trusted_proxies=("127.0.0.1",)),
            prefix_guards=self.container.prefix_guards,
        )
        self.client = Proxied(app)

    def sign_in(self, password: str = PASSWORD, email: str = EMAIL) -> falcon.testing.Result:
        return self.client.simulate_post(
            "/studio/sign-in", body=f"email={email}&password={password}", content_type=FORM
        )

    def cookie(self) -> str:
        (cookie,) = self.sign_in().cookies.values()
        return f"{cookie.name}={cookie.value}"

    def rows(self) -> list[tuple[Any, ...]]:
        self.container.close()
        return self.db.run(
            Query(
                "t",
                "SELECT actor, actor_key_id, action, resource, resource_id, ip_address, detail"
                " FROM audit_logs ORDER BY created_at, id",
            )
        )


@pytest.fixture
def house(dsn: str, redis_url: str, database: Database) -> Iterator[House]:
    create_admin(database, email=EMAIL, password=PASSWORD)
    made = House(dsn, redis_url, database)
    yield made
    made.container.close()


def test_changes_by_key_are_written_with_key_resource_and_address(house: House) -> None:
    admin, key = create_api_key(house.db, name="deploys", scopes=["full-admin"])
    victim, _ = create_api_key(house.db, name="old", scopes=["read"])
    headers = {"Authorization": f"Bearer {key}"}
    path = "/v1/admin/api-keys"

    made = house.client.simulate_post(path, json={"name": "k"}, headers=headers)
    house.client.simulate_delete(f"{path}/{victim.id}", headers=headers)
    house.client.simulate_get(path, headers=headers)
    house.client.simulate_post(path, json={"name": ""}, headers=headers)
    house.client.simulate_post(path, json={"name": "k"}, headers={"Authorization": "Bearer no"})
    master = {"Authorization": "Bearer master-" + "k" * 32}
    house.client.simulate_post(path, json={"name": "m"}, headers=master)

    rows = house.rows()
    where = ("203.0.113.9", None)
    assert rows == [
        ("deploys", admin.id, "api-keys.post", "api-keys", None, *where),
        ("deploys", admin.id, "api-keys.delete", "api-keys", str(victim.id), *where),
        ("legacy", None, "api-keys.post", "api-keys", None, *where),
    ]
    assert made.json["key"] not in str(rows)


def test_signing_in_and_what_is_changed_in_studio_is_written(house: House) -> None:
    house.sign_in("wrong horse battery")
    house.sign_in("wrong horse battery", email=PASSWORD.replace(" ", "+"))
    cookie = house.cookie()
    page = house.client.simulate_get("/studio/account", headers={"Cookie": cookie})
    (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', page.text))
    house.client.simulate_post(
        "/studio/account/password",
        body=f"csrf={csrf}&current={PASSWORD}&password={NEXT}",
        content_type=FORM,
        headers={"Cookie": cookie},
    )
    house.client.simulate_post(
        "/studio/account/password",
        body=f"csrf={csrf}&current=wrong&password={NEXT}",
        content_type=FORM,
        headers={"Cookie": cookie},
    )
    house.client.simulate_post("/studio/sign-out", headers={"Cookie": cookie})

    rows = house.rows()

    assert [(row[0], row[2], row[4] if row[3] != "sign-in" else None) for row in rows] == [
        (EMAIL, "sign-in.refused", None),
        ("unknown", "sign-in.refused", None),
        (EMAIL, "sign-in.post", None),
        (EMAIL, "account.post", "password"),
        (EMAIL, "sign-out.post", None),
    ]
    assert {row[5] for row in rows} == {"203.0.113.9"}
    assert "horse" not in str(rows)


def test_signing_in_and_changing_a_password_over_the_api_is_written(house: House) -> None:
    post = house.client.simulate_post
    post("/api/auth/sign-in/email", json={"email": EMAIL, "password": "wrong horse battery"})
    done = post("/api/auth/sign-in/email", json={"email": EMAIL, "password": PASSWORD})
    (cookie,) = done.cookies.values()
    post(
        "/api/auth/change-password",
        json={"currentPassword": PASSWORD, "newPassword": NEXT},
        headers={"Cookie": f"{cookie.name}={cookie.value}"},
    )

    rows = house.rows()

    assert [(row[0], row[2]) for row in rows] == [
        (EMAIL, "sign-in.refused"),
        (EMAIL, "sign-in.post"),
        (EMAIL, "change-password.post"),
    ]
    assert "horse" not in str(rows)
    assert done.json["token"] not in str(rows)


def test_every_route_that_changes_something_is_audited(house: House) -> None:
    changing = [
        route
        for route in house.container.routes
        if route.method in ("POST", "PUT", "PATCH", "DELETE")
        and route.path.startswith(("/v1/admin/", "/studio/", "/api/auth/"))
        and not route.path.endswith(("/sign-in", "/sign-in/email"))
    ]

    assert len(changing) > 10
    for route in changing:
        assert route.handler.__qualname__.startswith("AuditTrail."), route.path


class Away:
    """A database that answers when told to."""

    def __init__(self) -> None:
        self.is_back = threading.Event()
        self.asked = threading.Event()
        self.written: list[Any] = []

    def run(self, query: Query, /, **params: Any) -> list[tuple[Any, ...]]:
        self.asked.set()
        if not self.is_back.is_set():
            raise DatabaseUnavailable("away")
        self.written += params["entries"]
        return []


def test_request_does_not_wait_for_the_database_and_the_entry_is_kept() -> None:
    away = Away()
    log = AuditLog(away, clock=VirtualClock())

    def change(req: Request, resp: Response) -> None:
        resp.json({})

    route = Route(method="POST", path="/v1/admin/things", handler=change)
    client = falcon.testing.TestClient(build_app(AuditTrail(log).over([route])))

    answer = client.simulate_post("/v1/admin/things")
    assert away.asked.wait(5)
    away.is_back.set()
    client.simulate_post("/v1/admin/things")
    log.close()

    assert answer.status_code == 200
    assert [entry["action"] for entry in away.written] == ["things.post", "things.post"]


def test_entries_beyond_what_is_kept_push_the_oldest_out() -> None:
    away = Away()
    log = AuditLog(away, clock=VirtualClock())
    for number in range(10_050):
        log.note(actor=str(number), action="a.post", resource="a")

    away.is_back.set()
    log.close()

    assert len(away.written) == 10_000
    assert away.written[-1]["actor"] == "10049"


class Failing:
    """A database that is asked, and fails while the log is being closed."""

    def __init__(self, *, failures: int) -> None:
        self.failures = failures
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.written: list[Any] = []

    def run(self, query: Query, /, **params: Any) -> list[tuple[Any, ...]]:
        self.asked.set()
        assert self.may_answer.wait(10)
        self.failures -= 1
        if self.failures >= 0:
            raise DatabaseUnavailable("away")
        self.written += params["entries"]
        return []


@pytest.mark.parametrize(("failures", "written"), [(1, 1), (2, 0)])
def test_write_that_fails_while_the_log_closes_is_tried_once_more(
    failures: int, written: int, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Failing(failures=failures)
    log = AuditLog(database, clock=VirtualClock())
    log.note(actor="ada", action="a.post", resource="a")
    assert database.asked.wait(10)

    closing = threading.Thread(target=log.close)
    closing.start()
    while not log._is_closing:
        pass
    database.may_answer.set()
    closing.join(10)

    assert len(database.written) == written
    assert ("audit.entries_lost" in capsys.readouterr().out) == (written == 0)
