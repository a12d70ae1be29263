"""Every call of the published TypeScript client, over plain HTTP against an api process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hogsend.access.api_keys import create_api_key
from hogsend.db import Database
from tests.acceptance.client import ApiError, Client, encoded
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


def test_lists_list_subscribe_and_unsubscribe(client: Client) -> None:
    person = {"email": "ada@example.com", "userId": "u"}

    left = client.request("POST", "/v1/lists/in_app/unsubscribe", person)
    listed = client.request("GET", "/v1/lists", query={"userId": "u"})["lists"]
    joined = client.request("POST", "/v1/lists/in_app/subscribe", {"userId": "u"})

    assert left == {"list": "in_app", "subscribed": False}
    assert joined["subscribed"] is True
    found = next(item for item in listed if item["id"] == "in_app")
    assert found == {
        "id": "in_app",
        "name": "In-app feed",
        "defaultOptIn": True,
        "kind": "channel",
        "subscribed": False,
    }
    with pytest.raises(ApiError) as unknown:
        client.request("POST", f"/v1/lists/{encoded('a/b')}/subscribe", person)
    assert str(unknown.value) == "404: Unknown list: a/b"


def test_preferences_read_and_write(client: Client, browser: Client) -> None:
    person = {"email": "ada@example.com", "userId": "u"}

    written = client.request("POST", "/v1/lists/preferences", person | {"unsubscribedAll": True})
    read = client.request("GET", "/v1/lists/preferences", query={"userId": "u"})
    anonymous = browser.request("GET", "/v1/lists/preferences", query={"anonymousId": "a"})

    assert written == {"unsubscribedAll": True}
    assert read == {"categories": {}, "unsubscribedAll": True}
    assert anonymous == {"categories": {}, "unsubscribedAll": False}
    with pytest.raises(ApiError) as refused:
        browser.request("GET", "/v1/lists/preferences", query={"userId": "u"})
    assert refused.value.status == 403
    assert "usertoken" in str(refused.value).lower()
    with pytest.raises(ApiError) as nameless:
        browser.request("POST", "/v1/lists/in_app/subscribe", {"anonymousId": "a"})
    assert nameless.value.status == 400


def test_groups_identify_get_list_and_members(client: Client) -> None:
    path = f"/v1/groups/company/{encoded('a/b?')}"
    contact = client.upsert_contact(userId="u", email="ada@example.com")["id"]

    made = client.request(
        "POST",
        "/v1/groups",
        {"groupType": "company", "groupKey": "a/b?", "properties": {"plan": "team"}},
    )["group"]
    got = client.request("GET", path)["group"]
    listed = client.request("GET", "/v1/groups", query={"groupType": "company"})["groups"]
    added = client.request("POST", f"{path}/members", {"contactId": contact, "role": "owner"})
    members = client.request("GET", f"{path}/members")["members"]
    removed = client.request("DELETE", f"{path}/members/{contact}")

    assert set(made) == {
        "id", "groupType", "groupKey", "displayName", "properties",
        "firstSeenAt", "lastSeenAt", "createdAt", "updatedAt",
    }  # fmt: skip
    assert made == got == listed[0]
    assert added["created"] is True
    assert set(added["membership"]) == {"id", "groupId", "contactId", "role", "joinedAt"}
    assert [(m["contactId"], m["externalId"], m["role"]) for m in members] == [
        (contact, "u", "owner")
    ]
    assert removed == {"removed": True}
    with pytest.raises(ApiError) as unknown:
        client.request("GET", "/v1/groups/company/nope")
    assert str(unknown.value) == "404: Unknown group: company/nope"


def test_preflight_and_description_are_open(served: Instance) -> None:
    anybody = Client(base_url=f"http://127.0.0.1:{served.port}", api_key="", origin=ORIGIN)

    preflight = anybody.request(
        "OPTIONS",
        "/v1/nothing",
        headers={"Access-Control-Request-Headers": "authorization, idempotency-key"},
    )
    description = anybody.request("GET", "/openapi.json")

    assert preflight is None
    assert description["openapi"] == "3.1.0"
    assert "/v1/groups" in description["paths"]
