from __future__ import annotations

import pytest

from hogsend.db import Database, Query
from hogsend.kernel.ids import uuid7
from hogsend.preferences import api as lists_api
from hogsend.preferences import store
from hogsend.preferences.lists import IN_APP, SMS, ListRegistry, define_list
from hogsend.preferences.persons import ContactPersons
from hogsend.preferences.write import PreferenceWriter
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration

LISTS = [
    define_list("digest", name="Weekly digest", description="Every Monday"),
    define_list("beta", name="Beta news", default_opt_in=False),
    define_list("off", name="Not here"),
]


@pytest.fixture
def plane(database: Database) -> DataPlane:
    served = DataPlane(database)
    api = lists_api.ListsApi(
        db=database,
        registry=ListRegistry(LISTS, enabled=["digest", "beta"], channels=(IN_APP, SMS)),
        writer=PreferenceWriter(database),
        resolver=ContactPersons(database, new_id=uuid7),
        signer=served.signer,
        clock=served.clock,
    )
    served.serve(lists_api.routes(api, served.guards))
    return served


def subscribed(plane: DataPlane, **query: str) -> dict[str, bool]:
    _, answer = plane.call("GET", "/v1/lists", query=query)
    return {item["id"]: item["subscribed"] for item in answer["lists"]}


def test_lists_shows_enabled_topics_then_every_channel(plane: DataPlane) -> None:
    status, answer = plane.call("GET", "/v1/lists")

    assert status == 200
    assert answer["lists"] == [
        {
            "id": "digest",
            "name": "Weekly digest",
            "description": "Every Monday",
            "defaultOptIn": True,
            "kind": "topic",
            "subscribed": True,
        },
        {
            "id": "beta",
            "name": "Beta news",
            "defaultOptIn": False,
            "kind": "topic",
            "subscribed": False,
        },
        {
            "id": "in_app",
            "name": "In-app feed",
            "defaultOptIn": True,
            "kind": "channel",
            "subscribed": True,
        },
        {
            "id": "sms",
            "name": "Text messages",
            "defaultOptIn": False,
            "kind": "channel",
            "subscribed": False,
        },
    ]


def test_subscribe_and_unsubscribe_answer_and_take_effect(plane: DataPlane) -> None:
    body = {"email": "Ada@Example.com "}

    joined = plane.call("POST", "/v1/lists/beta/subscribe", body)
    left = plane.call("POST", "/v1/lists/digest/unsubscribe", {"email": "ada@example.com"})

    assert joined == (200, {"list": "beta", "subscribed": True})
    assert left == (200, {"list": "digest", "subscribed": False})
    found = subscribed(plane, email="ADA@example.com")
    assert (found["beta"], found["digest"], found["in_app"]) == (True, False, True)
    assert plane.call("GET", "/v1/lists/preferences", query={"email": "ada@example.com"}) == (
        200,
        {"categories": {"beta": True, "digest": False}, "unsubscribedAll": False},
    )


def test_subscribe_makes_the_contact_once(plane: DataPlane) -> None:
    for _ in range(2):
        plane.call("POST", "/v1/lists/digest/subscribe", {"email": "a@b.example", "userId": "u1"})

    rows = plane.db.run(Query("t", "SELECT external_id, email FROM contacts"))
    assert rows == [("u1", "a@b.example")]


def test_subscribe_by_either_key_reaches_the_same_person(plane: DataPlane) -> None:
    plane.call("POST", "/v1/lists/digest/subscribe", {"email": "a@b.example", "userId": "u1"})
    plane.call("POST", "/v1/lists/digest/unsubscribe", {"userId": "u1"})

    assert subscribed(plane, email="a@b.example")["digest"] is False
    assert subscribed(plane, userId="u1")["digest"] is False


def test_repeated_answer_is_recorded_once_with_source_and_time(plane: DataPlane) -> None:
    for _ in range(2):
        plane.call("POST", "/v1/lists/digest/unsubscribe", {"email": "a@b.example"})
    plane.call("POST", "/v1/lists/preferences", {"email": "a@b.example", "unsubscribedAll": True})

    changes = store.list_changes(plane.db, email="a@b.example")

    assert [(c.category, c.subscribed, c.source) for c in changes] == [
        (None, False, "api"),
        ("digest", False, "api"),
    ]
    assert all(change.changed_at.tzinfo is not None for change in changes)


def test_unsubscribed_all_is_written_and_taken_back(plane: DataPlane) -> None:
    for wanted in (True, False):
        answer = plane.call(
            "POST",
            "/v1/lists/preferences",
            {"userId": "u1", "email": "a@b.example", "unsubscribedAll": wanted},
        )
        read = plane.call("GET", "/v1/lists/preferences", query={"userId": "u1"})

        assert answer == (200, {"unsubscribedAll": wanted})
        assert read[1]["unsubscribedAll"] is wanted


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1/lists/nope/subscribe", {"email": "a@b.example"}, (404, "Unknown list: nope")),
        ("/v1/lists/off/subscribe", {"email": "a@b.example"}, (404, "Unknown list: off")),
        ("/v1/lists/nope/subscribe", {}, (404, "Unknown list: nope")),
        ("/v1/lists/digest/subscribe", {}, (400, "email or userId is required")),
        ("/v1/lists/digest/subscribe", {"userId": "  "}, (400, "email or userId is required")),
        (
            "/v1/lists/digest/subscribe",
            {"userId": "nomail"},
            (400, "Contact has no email; cannot manage list membership"),
        ),
        ("/v1/lists/preferences", {"unsubscribedAll": True}, (400, "email or userId is required")),
        (
            "/v1/lists/preferences",
            {"unsubscribedAll": True, "userId": "nomail"},
            (400, "Contact has no email; cannot manage list membership"),
        ),
    ],
)
def test_writes_are_refused_with_the_message_of_the_contract(
    plane: DataPlane, path: str, body: dict[str, object], expected: tuple[int, str]
) -> None:
    status, answer = plane.call("POST", path, body)

    assert (status, answer) == (expected[0], {"error": expected[1]})


def test_write_without_a_json_body_is_refused(plane: DataPlane) -> None:
    assert plane.call("POST", "/v1/lists/digest/subscribe")[0] == 400


def test_read_without_identity_needs_one_from_secret_keys(plane: DataPlane) -> None:
    assert plane.call("GET", "/v1/lists/preferences") == (
        400,
        {"error": "email or userId is required"},
    )


def test_read_of_somebody_unknown_is_empty(plane: DataPlane) -> None:
    assert plane.call("GET", "/v1/lists/preferences", query={"userId": "nobody"}) == (
        200,
        {"categories": {}, "unsubscribedAll": False},
    )


def test_publishable_key_reads_nobody_without_a_token(plane: DataPlane) -> None:
    plane.call("POST", "/v1/lists/digest/unsubscribe", {"email": "a@b.example", "userId": "u1"})

    refused = plane.call("GET", "/v1/lists/preferences", key=plane.public, query={"userId": "u1"})
    catalogue = plane.call("GET", "/v1/lists", key=plane.public, query={"userId": "u1"})

    assert refused[0] == 403
    assert "usertoken" in refused[1]["error"].lower()
    assert catalogue[1]["lists"][0]["subscribed"] is True  # the default, not what u1 said


def test_publishable_key_reads_its_proven_user(plane: DataPlane) -> None:
    plane.call("POST", "/v1/lists/digest/unsubscribe", {"email": "a@b.example", "userId": "u1"})
    query = {"userId": "u1", "userToken": plane.user_token("u1")}

    preferences = plane.call("GET", "/v1/lists/preferences", key=plane.public, query=query)
    catalogue = plane.call("GET", "/v1/lists", key=plane.public, query=query)

    assert preferences == (200, {"categories": {"digest": False}, "unsubscribedAll": False})
    assert catalogue[1]["lists"][0]["subscribed"] is False


def test_publishable_key_with_the_token_of_another_is_refused(plane: DataPlane) -> None:
    query = {"userId": "u2", "userToken": plane.user_token("u1")}

    for path in ("/v1/lists", "/v1/lists/preferences"):
        assert plane.call("GET", path, key=plane.public, query=query)[0] == 403


def test_anonymous_id_opens_nothing_of_an_identified_person(plane: DataPlane) -> None:
    plane.db.run(
        Query(
            "t",
            "INSERT INTO contacts (external_id, email, anonymous_id) "
            "VALUES ('u1', 'a@b.example', 'browser-1')",
        )
    )
    plane.call("POST", "/v1/lists/digest/unsubscribe", {"userId": "u1"})
    query = {"anonymousId": "browser-1"}

    as_page = plane.call("GET", "/v1/lists/preferences", key=plane.public, query=query)
    as_server = plane.call("GET", "/v1/lists/preferences", query=query)

    assert as_page[1]["categories"] == {}
    assert as_server[1]["categories"] == {"digest": False}


def test_publishable_key_writes_only_for_its_proven_user(plane: DataPlane) -> None:
    plane.call("POST", "/v1/lists/digest/subscribe", {"email": "a@b.example", "userId": "u1"})
    path = "/v1/lists/digest/unsubscribe"

    without = plane.call("POST", path, {"userId": "u1"}, key=plane.public)
    by_email = plane.call("POST", path, {"email": "a@b.example"}, key=plane.public)
    anonymous = plane.call("POST", path, {}, key=plane.public)
    proven = plane.call(
        "POST", path, {"userId": "u1", "userToken": plane.user_token("u1")}, key=plane.public
    )

    assert [without[0], by_email[0], anonymous[0], proven[0]] == [403, 403, 400, 200]
    assert store.list_changes(plane.db, email="a@b.example")[0].source == "browser"


def test_consent_takes_back_every_refusal_of_the_address(plane: DataPlane) -> None:
    plane.db.run(
        Query(
            "t",
            "INSERT INTO email_preferences (user_id, email, contact_id, categories) "
            "VALUES ('old', 'a@b.example', gen_random_uuid(), '{\"digest\": false}')",
        )
    )
    assert subscribed(plane, email="a@b.example")["digest"] is False

    plane.call("POST", "/v1/lists/digest/subscribe", {"email": "a@b.example"})

    assert subscribed(plane, email="a@b.example")["digest"] is True
    assert not store.get_consent(plane.db, "a@b.example", category="digest").category_refused


def test_list_id_arrives_decoded_and_nul_is_nobodys_name(plane: DataPlane) -> None:
    body = {"email": "a@b.example"}

    assert plane.call("POST", "/v1/lists/a%2Fb/subscribe", body) == (
        404,
        {"error": "Unknown list: a/b"},
    )
    assert plane.call("POST", "/v1/lists/a%00b/subscribe", body)[0] == 404
