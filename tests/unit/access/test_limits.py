from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import falcon.testing
import pytest

from hogsend.access.guards import Guards
from hogsend.access.limits import FailedAttempts, RateLimits, RateRule, network_of
from hogsend.access.models import ApiKey
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.hashing import sha256_hex
from hogsend.kv.quota import Quota
from hogsend.kv.rate_limit import RateLimiter
from hogsend.web.app import WebOptions, build_app
from hogsend.web.http import Request, Response
from hogsend.web.route import Route
from tests.unit.access.test_guards import ORIGIN, Keys

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = {"Authorization": "Bearer hsk_ingest"}


class CountingKeys(Keys):
    """Keys that know how often they were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.lookups = 0

    def find(self, key_hash: str) -> ApiKey | None:
        self.lookups += 1
        return super().find(key_hash)


def nothing(req: Request, resp: Response) -> None:
    resp.json({})


def client_for(
    *, keys: Keys | None = None, rule: RateRule | None = None, failures: int = 0, proxies: Any = ()
) -> tuple[falcon.testing.TestClient, VirtualClock]:
    clock = VirtualClock(NOW)
    limiter = RateLimiter(None, clock=clock)
    guards = Guards(
        keys or Keys(),
        clock=clock,
        admin_api_key="master",
        limits=RateLimits(limiter, Quota(None, clock=clock)),
        failures=FailedAttempts(limiter, limit=failures, ticks=lambda: clock.now().timestamp()),
    )
    routes = [
        Route(
            method="GET",
            path="/secret",
            handler=nothing,
            guard=guards.require_scope("ingest", limit=rule),
        ),
        Route(
            method="GET", path="/browser", handler=nothing, guard=guards.browser(address_limit=rule)
        ),
        Route(method="GET", path="/admin", handler=nothing, guard=guards.admin()),
    ]
    app = build_app(routes, options=WebOptions(trusted_proxies=proxies))
    return falcon.testing.TestClient(app), clock


@pytest.mark.parametrize("is_large", [False, True])
def test_limit_answers_headers_and_then_429_with_the_true_wait(is_large: bool) -> None:
    client, _ = client_for(rule=RateRule(name="x", limit=2, is_large=is_large))

    results = [client.simulate_get("/secret", headers=SECRET) for _ in range(3)]

    assert [r.status_code for r in results] == [200, 200, 429]
    assert [r.headers["x-ratelimit-limit"] for r in results] == ["2", "2", "2"]
    assert [r.headers["x-ratelimit-remaining"] for r in results] == ["1", "0", "0"]
    assert results[2].json == {"error": "Rate limit exceeded"}
    assert 1 <= int(results[2].headers["retry-after"]) <= 90
    assert "retry-after" not in results[0].headers


def test_limit_waiting_as_told_is_enough() -> None:
    client, clock = client_for(rule=RateRule(name="x", limit=1))
    client.simulate_get("/secret", headers=SECRET)
    clock.advance(timedelta(seconds=20))
    refused = client.simulate_get("/secret", headers=SECRET)

    clock.advance(timedelta(seconds=int(refused.headers["retry-after"])))

    assert refused.headers["retry-after"] == "40"
    assert client.simulate_get("/secret", headers=SECRET).status_code == 200


def test_limit_is_per_key() -> None:
    client, _ = client_for(rule=RateRule(name="x", limit=1))
    assert client.simulate_get("/secret", headers=SECRET).status_code == 200

    other = client.simulate_get("/secret", headers={"Authorization": "Bearer master"})

    assert other.status_code == 200


def test_limit_does_not_count_what_the_guard_refuses() -> None:
    client, _ = client_for(rule=RateRule(name="x", limit=1))
    for _ in range(3):
        client.simulate_get("/secret", headers={"Authorization": "Bearer hsk_read"})

    assert client.simulate_get("/secret", headers=SECRET).status_code == 200


def test_admin_guard_allows_a_hundred_a_minute() -> None:
    client, _ = client_for()
    headers = {"Authorization": "Bearer hsk_admin"}

    statuses = [client.simulate_get("/admin", headers=headers).status_code for _ in range(101)]

    assert statuses == [200] * 100 + [429]


def test_address_limit_believes_forwarded_for_only_from_trusted_proxies() -> None:
    def call(client: falcon.testing.TestClient, address: str) -> int:
        headers = {
            "Authorization": "Bearer pk_ok",
            "Origin": ORIGIN,
            "X-Forwarded-For": address,
        }
        return int(
            client.simulate_get("/browser", headers=headers, remote_addr="127.0.0.1").status_code
        )

    rule = RateRule(name="x", limit=1)
    unaware, _ = client_for(rule=rule)
    aware, _ = client_for(rule=rule, proxies=("127.0.0.0/8",))

    assert [call(unaware, a) for a in ("198.51.100.1", "198.51.100.2")] == [200, 429]
    assert [call(aware, a) for a in ("198.51.100.1", "198.51.100.2")] == [200, 200]
    assert call(aware, "203.0.113.9, 198.51.100.2") == 429


def test_failed_attempts_end_in_429_and_stop_guesses_at_the_master_key() -> None:
    client, clock = client_for(failures=3)

    def call(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return int(
            client.simulate_get("/secret", headers=headers, remote_addr="127.0.0.1").status_code
        )

    assert [call(f"guess{n}") for n in range(5)] == [401, 401, 401, 429, 429]
    assert call("master") == 429
    assert call("hsk_ingest") == 200
    clock.advance(timedelta(seconds=61))
    assert call("master") == 200


def test_failed_attempts_of_one_address_leave_others_alone() -> None:
    client, _ = client_for(failures=1, proxies=("127.0.0.1",))

    def call(address: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}
        return int(
            client.simulate_get("/secret", headers=headers, remote_addr="127.0.0.1").status_code
        )

    assert [call("198.51.100.1", "no") for _ in range(2)] == [401, 429]
    assert call("198.51.100.2", "master") == 200


def test_token_that_is_no_key_costs_no_lookup() -> None:
    keys = CountingKeys()
    client, _ = client_for(keys=keys)

    client.simulate_get("/secret", headers={"Authorization": "Bearer nonsense"})

    assert keys.lookups == 0


def test_guard_without_master_key_accepts_no_empty_token() -> None:
    guards = Guards(Keys(), clock=VirtualClock(NOW), admin_api_key=None)
    client = falcon.testing.TestClient(
        build_app([Route(method="GET", path="/a", handler=nothing, guard=guards.admin())])
    )

    for token in ("", sha256_hex("")):
        result = client.simulate_get("/a", headers={"Authorization": f"Bearer {token}"})
        assert result.status_code == 401


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_network_groups_what_one_caller_can_use(address: str, network: str) -> None:
    assert network_of(address) == network
