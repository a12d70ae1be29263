from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import falcon.testing
import pytest

from hogsend.access.guards import Guards
from hogsend.db import Database, Query
from hogsend.email.compose import TestState
from hogsend.email.domains import api as domain_api
from hogsend.email.domains.base import DomainRefused, DomainState, DomainStatus
from hogsend.email.domains.watch import DomainWatch, TestModeRules
from hogsend.kernel.clock import VirtualClock
from hogsend.web.app import build_app

pytestmark = pytest.mark.integration

DOMAIN = "mail.x.test"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


class FakeDomains:
    """Says what a test wants."""

    name = "fake"

    def __init__(self, state: DomainState | int | None = "pending") -> None:
        self.state = state
        self.asked = 0

    def find(self, domain: str, *, now: datetime) -> DomainStatus:
        self.asked += 1
        if self.state is None or isinstance(self.state, int):
            raise DomainRefused("no", status=self.state)
        return DomainStatus(
            domain=domain, state=self.state, records=(), provider=self.name, checked_at=now
        )

    create = verify = find


class Watched:
    """A watch whose refreshes run when the test says so."""

    def __init__(
        self,
        db: Database,
        provider: FakeDomains | None,
        *,
        mode: Literal["auto", "true", "false"] = "auto",
        domain: str | None = DOMAIN,
    ) -> None:
        self.clock = VirtualClock(NOW)
        self.pending: list[Callable[[], None]] = []
        rules = TestModeRules(mode=mode, domain=domain, inbox="me@x.test")
        self.watch = DomainWatch(db, rules, provider, clock=self.clock, run=self.pending.append)

    def run_refresh(self) -> None:
        for work in self.pending:
            work()
        self.pending.clear()


@pytest.mark.parametrize(
    ("mode", "domain", "has_provider", "is_active"),
    [
        ("true", None, False, True),
        ("false", DOMAIN, True, False),
        ("auto", None, True, False),
        ("auto", DOMAIN, False, False),
        ("auto", DOMAIN, True, True),
    ],
)
def test_watch_test_mode_follows_the_rules(
    database: Database, mode: Any, domain: str | None, has_provider: bool, is_active: bool
) -> None:
    provider = FakeDomains("pending") if has_provider else None
    watched = Watched(database, provider, mode=mode, domain=domain)
    watched.watch.read()
    watched.run_refresh()

    assert watched.watch.read() == TestState(is_active=is_active, inbox="me@x.test")


def test_watch_unknown_state_is_live_and_asks_once(database: Database) -> None:
    provider = FakeDomains("pending")
    watched = Watched(database, provider)

    states = [watched.watch.read().is_active for _ in range(5)]

    assert states == [False] * 5
    assert len(watched.pending) == 1
    assert provider.asked == 0


@pytest.mark.parametrize(
    ("state", "life"),
    [
        ("verified", timedelta(minutes=10)), ("pending", timedelta(seconds=60)),
        (500, timedelta(seconds=60)), (None, timedelta(seconds=60)), (403, timedelta(hours=6)),
    ],
)  # fmt: skip
def test_watch_asks_again_when_the_answer_is_old(
    database: Database, state: DomainState | int | None, life: timedelta
) -> None:
    provider = FakeDomains(state)
    watched = Watched(database, provider)
    watched.watch.read()
    watched.run_refresh()

    watched.clock.advance(life - timedelta(seconds=1))
    watched.watch.read()
    early = len(watched.pending)
    watched.clock.advance(timedelta(seconds=1))
    watched.watch.read()

    assert (early, len(watched.pending)) == (0, 1)


def test_watch_outage_keeps_the_last_state(database: Database) -> None:
    provider = FakeDomains("pending")
    watched = Watched(database, provider)
    watched.watch.read()
    watched.run_refresh()

    provider.state = 500
    watched.clock.advance(timedelta(minutes=5))
    watched.watch.read()
    watched.run_refresh()

    assert watched.watch.read().is_active


def test_watch_new_process_knows_what_the_last_one_saw(database: Database) -> None:
    first = Watched(database, FakeDomains("pending"))
    first.watch.read()
    first.run_refresh()

    second = Watched(database, FakeDomains("pending"))
    other_domain = Watched(database, FakeDomains("pending"), domain="other.test")
    much_later = Watched(database, FakeDomains("pending"))
    much_later.clock.advance(timedelta(days=2))

    assert second.watch.read().is_active
    assert not other_domain.watch.read().is_active
    assert not much_later.watch.read().is_active


def test_watch_verified_domain_ends_test_mode(database: Database) -> None:
    provider = FakeDomains("pending")
    watched = Watched(database, provider)
    watched.watch.refresh()
    before = watched.watch.read().is_active

    provider.state = "verified"
    watched.watch.refresh()

    assert (before, watched.watch.read().is_active) == (True, False)


class NoKeys:
    def find(self, key_hash: str) -> None:
        return None

    def mark_used(self, key: object) -> None:
        pass


def client(database: Database, provider: FakeDomains | None, domain: str | None = DOMAIN) -> Any:
    watched = Watched(database, provider, domain=domain)
    api = domain_api.DomainApi(
        provider_id="fake",
        provider=provider,
        domain=domain,
        watch=watched.watch,
        inbox="me@x.test",
        test_sender=None,
        clock=watched.clock,
    )
    guards = Guards(NoKeys(), clock=watched.clock, admin_api_key="master")
    app = build_app(domain_api.routes(api, guards))
    return falcon.testing.TestClient(app, headers={"Authorization": "Bearer master"})


def test_domain_route_shows_state_and_test_mode(database: Database) -> None:
    answer = client(database, FakeDomains("pending")).simulate_get(
        "/v1/admin/domain", query_string="refresh=true"
    )

    assert answer.status_code == 200
    assert answer.json["status"]["state"] == "pending"
    assert answer.json["testMode"] == {
        "active": True, "reason": "domain_unverified", "redirectTo": "me@x.test",
        "fromOverride": None,
    }  # fmt: skip
    assert answer.json["supported"] is True


def test_domain_routes_answer_for_every_trouble(database: Database) -> None:
    def post(provider: FakeDomains | None, path: str, domain: str | None = DOMAIN) -> int:
        found = client(database, provider, domain).simulate_post(path, json={"domain": "a.test"})
        return int(found.status_code)

    create, verify = "/v1/admin/domain", "/v1/admin/domain/verify"
    assert client(database, FakeDomains(403)).simulate_get(create).json["status"] is None
    assert client(database, FakeDomains(500)).simulate_get(create).status_code == 502
    assert client(database, None).simulate_get(create).json["supported"] is False
    assert post(FakeDomains("pending"), create) == 200
    assert post(FakeDomains(409), create) == 409
    assert post(FakeDomains(500), create) == 502
    assert post(None, create) == 501
    assert post(FakeDomains("pending"), verify) == 200
    assert post(FakeDomains("pending"), verify, None) == 400
    assert post(FakeDomains(None), verify) == 502
    assert post(None, verify) == 501
    bad = client(database, FakeDomains()).simulate_post(create, json={"domain": "-"})
    assert bad.status_code == 400


def test_domain_routes_are_for_operators(database: Database) -> None:
    stranger = client(database, FakeDomains())

    answer = stranger.simulate_get("/v1/admin/domain", headers={"Authorization": "Bearer no"})

    assert answer.status_code == 401
    assert database.run(Query.parse("t", "SELECT count(*) FROM operator_settings")) == [(0,)]
