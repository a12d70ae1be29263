"""Every call of the published TypeScript client, over plain HTTP against an api process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hogsend.access.api_keys import create_api_key
from hogsend.db import Database
from tests.acceptance.client import ApiError, Client
from tests.acceptance.engines import LocalEngine
from tests.acceptance.instance import Instance

pytestmark = pytest.mark.integration

ORIGIN = "https://app.example.com"


@pytest.fixture
def served(dsn: str, redis_url: str, database: Database, tmp_path: Path) -> Iterator[Instance]:
    """An api without a worker: it accepts everything all the same."""
    made = Instance(
        dsn=dsn,
        redis_url=redis_url,
        database=database,
        directory=tmp_path,
        engine=LocalEngine(namespace="").environ,
    )
    try:
        made.start_api()
        yield made
    finally:
        made.stop()


@pytest.fixture
def client(served: Instance) -> Client:
    """With a key that may do everything, as the client's documentation says."""
    _, key = create_api_key(served.database, name="all", scopes=["full-admin"])
    return Client(base_url=f"http://127.0.0.1:{served.port}///", api_key=key)


@pytest.fixture
def browser(served: Instance) -> Client:
    """With a publishable key, from its page."""
    _, key = create_api_key(served.database, name="pk", publishable=True, allowed_origins=[ORIGIN])
    return Client(base_url=f"http://127.0.0.1:{served.port}", api_key=key, origin=ORIGIN)


def test_contacts_upsert_find_and_delete(client: Client) -> None:
    made = client.upsert_contact(
        email="ada@example.com", userId="u/1?", anonymousId="a", properties={"plan": "pro"}
    )
    again = client.upsert_contact(userId="u/1?", properties={"plan": None, "seats": 3})
    by_user = client.find_contacts(userId="u/1?")
    by_email = client.find_contacts(email="ADA@example.com")
    deleted = client.delete_contact(userId="u/1?")

    assert made == {"id": made["id"], "created": True, "linked": False}
    assert again == {"id": made["id"], "created": False, "linked": True}
    assert by_user == by_email
    assert [contact["properties"] for contact in by_user] == [{"seats": 3}]
    assert deleted == {"deleted": True}
    assert client.find_contacts(userId="u/1?") == []


def test_events_send_without_any_worker_or_engine(client: Client) -> None:
    first = client.send_event(
        "order.paid",
        key="order-1",
        userId="u",
        email="ada@example.com",
        eventProperties={"total": 5},
        contactProperties={"plan": "pro"},
        value=5,
        currency="eur",
    )
    repeated = client.send_event(
        "order.paid",
        key="order-1",
        userId="u",
        email="ada@example.com",
        eventProperties={"total": 5},
        contactProperties={"plan": "pro"},
        value=5,
        currency="eur",
    )

    assert first == {"stored": True, "exits": [], "contactKey": "u"}
    assert repeated == {"stored": False, "exits": [], "contactKey": "u"}


def test_events_from_a_page(client: Client, browser: Client) -> None:
    seen = browser.send_event("page.viewed", anonymousId="a", source="browser-sdk")
    client.send_event("signed_up", userId="u", anonymousId="a")

    with pytest.raises(ApiError) as refused:
        browser.send_event("page.viewed", userId="u")
    with pytest.raises(ApiError) as forbidden:
        browser.find_contacts(userId="u")

    assert seen == {"stored": True, "exits": [], "contactKey": "a"}
    assert refused.value.status == 403
    assert "usertoken" in str(refused.value).lower()
    assert forbidden.value.status in (401, 403)


def test_errors_are_what_the_client_reads(client: Client) -> None:
    cases: dict[str, tuple[str, str, object]] = {
        "400: email or userId is required": ("POST", "/v1/events", {"name": "x"}),
        "404: Contact not found": ("DELETE", "/v1/contacts", {"userId": "nobody"}),
        "404: Not Found": ("GET", "/v1/nothing", None),
    }

    for message, (method, path, body) in cases.items():
        with pytest.raises(ApiError) as caught:
            client.request(method, path, body)
        assert str(caught.value) == message
    with pytest.raises(ApiError) as invalid:
        client.upsert_contact(email="no address")
    with pytest.raises(ApiError) as stranger:
        Client(base_url=client.base_url, api_key="hsk_unknown").find_contacts(userId="u")

    assert str(invalid.value).startswith('400: validation failed {"name": "ZodError", "message": ')
    assert str(stranger.value) == "401: Unauthorized"


def test_suspended_ingest_is_a_rate_limit_without_retry_after(
    served: Instance, client: Client
) -> None:
    served.stop()
    served.processes.clear()
    served.engine = {**served.engine, "HOGSEND_INGEST_SUSPENDED": "true"}
    served.start_api()

    with pytest.raises(ApiError) as caught:
        client.send_event("x", userId="u")

    assert (caught.value.status, caught.value.retry_after) == (429, None)
    assert caught.value.body["error"] == "ingest_suspended"
    assert client.upsert_contact(userId="u")["created"] is True
