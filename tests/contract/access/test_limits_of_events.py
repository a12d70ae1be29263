"""Limits of events as the api wires them, with Redis going away in between."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import falcon.testing
import pytest

from hogsend.access.api_keys import create_api_key
from hogsend.container.api import ApiContainer
from tests.contract.openapi.conftest import build, serve
from tests.fakes.tcp_proxy import TcpProxy

pytestmark = pytest.mark.integration

EVENT = {"name": "a", "userId": "u1"}


@pytest.fixture
def proxy(redis_url: str) -> Iterator[TcpProxy]:
    address = urlsplit(redis_url)
    opened = TcpProxy(f"{address.hostname}:{address.port}")
    yield opened
    opened.close()


@pytest.fixture
def container(dsn: str, redis_url: str, proxy: TcpProxy) -> Iterator[ApiContainer]:
    address = urlsplit(redis_url)
    url = address._replace(netloc=f":{address.password or ''}@{proxy.address}").geturl()
    built = build(dsn, url, NODE_ENV="development", HOGSEND_EVENTS_PER_MINUTE="4")
    yield built
    built.close()


@pytest.fixture
def client(container: ApiContainer) -> falcon.testing.TestClient:
    _, key = create_api_key(container.db, name="k", scopes=["ingest"])
    return falcon.testing.TestClient(serve(container), headers={"Authorization": f"Bearer {key}"})


def test_events_are_limited_per_key_and_batches_count_each_event(
    client: falcon.testing.TestClient,
) -> None:
    batch = client.simulate_post("/v1/events/batch", json=[EVENT] * 3)
    too_many = client.simulate_post("/v1/events/batch", json=[EVENT] * 2)
    refused = client.simulate_post("/v1/events", json=EVENT)

    assert (batch.status_code, too_many.status_code) == (202, 429)
    assert refused.status_code == 429  # asking for the second batch was the fourth call
    assert refused.headers["x-ratelimit-limit"] == "4"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert 1 <= int(refused.headers["retry-after"]) <= 120


def test_redis_dying_in_between_costs_no_request_and_lifts_no_limit(
    client: falcon.testing.TestClient, proxy: TcpProxy
) -> None:
    with_redis = [client.simulate_post("/v1/events", json=EVENT).status_code for _ in range(2)]

    proxy.cut()
    without = [client.simulate_post("/v1/events", json=EVENT) for _ in range(6)]

    assert with_redis == [202, 202]
    assert [result.status_code for result in without] == [202] * 4 + [429] * 2
    assert without[0].headers["x-ratelimit-remaining"] == "3"


def test_limit_refuses_before_anything_is_read(client: falcon.testing.TestClient) -> None:
    for _ in range(4):
        client.simulate_post("/v1/events", json=EVENT)

    refused = client.simulate_post("/v1/events", body=b"{")

    assert refused.status_code == 429
