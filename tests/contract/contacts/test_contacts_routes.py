"""``/v1/contacts`` as clients meet it: exact statuses and bodies."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hogsend.db import Query
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration


def put(plane: DataPlane, **body: Any) -> Any:
    status, answer = plane.call("PUT", "/v1/contacts", body)
    assert status == 200, answer
    return answer


def outbound(plane: DataPlane) -> list[tuple[str, Any]]:
    rows = plane.db.run(
        Query("t", "SELECT payload FROM outbox WHERE topic = 'outbound.event' ORDER BY id")
    )
    return [(row[0]["type"], row[0]["data"]) for row in rows]


def test_put_makes_a_contact_and_then_links_it(plane: DataPlane) -> None:
    made = put(plane, userId=" user_42 ", email=" Ada@Example.com ", properties={"plan": "pro"})
    again = put(plane, email="ada@example.com")

    assert set(made) == {"id", "created", "linked"}
    assert UUID(made["id"])
    assert (made["created"], made["linked"]) == (True, False)
    assert again == {"id": made["id"], "created": False, "linked": True}


def test_put_lays_properties_over_and_null_deletes(plane: DataPlane) -> None:
    put(plane, userId="u", properties={"a": 1, "b": 2})

    put(plane, userId="u", properties={"b": None, "c": [1]})

    _, found = plane.call("GET", "/v1/contacts/find", query={"userId": "u"})
    assert found["contacts"][0]["properties"] == {"a": 1, "c": [1]}


def test_find_answers_the_whole_contact(plane: DataPlane) -> None:
    made = put(plane, userId="u", email="e@x.co")

    status, found = plane.call("GET", "/v1/contacts/find", query={"email": "E@X.CO"})

    assert status == 200
    (contact,) = found["contacts"]
    assert list(contact) == [
        "id", "externalId", "email", "properties", "firstSeenAt", "lastSeenAt", "createdAt",
        "updatedAt",
    ]  # fmt: skip
    assert (contact["id"], contact["externalId"], contact["email"]) == (made["id"], "u", "e@x.co")
    for name in ("firstSeenAt", "lastSeenAt", "createdAt", "updatedAt"):
        assert contact[name].endswith("Z")
        assert len(contact[name]) == len("2026-01-01T00:00:00.000Z")


def test_find_answers_nobody_both_and_aliases(plane: DataPlane) -> None:
    first = put(plane, userId="u1", email="e1@x.co")
    second = put(plane, userId="u2")
    put(plane, userId="u1", email="alias@x.co")

    def find(**query: str) -> list[str]:
        _, found = plane.call("GET", "/v1/contacts/find", query=query)
        return [contact["id"] for contact in found["contacts"]]

    assert find(userId="nobody") == []
    assert find(userId="u2", email="e1@x.co") == [first["id"], second["id"]]
    assert find(email="alias@x.co") == [first["id"]]


@pytest.mark.parametrize("query", [{}, {"userId": " "}, {"email": ""}])
def test_find_without_a_key_is_refused(plane: DataPlane, query: dict[str, str]) -> None:
    answer = plane.call("GET", "/v1/contacts/find", query=query)

    assert answer == (400, {"error": "email or userId is required"})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"anonymousId": "a"},
        {"userId": "  "},
        {"userId": "\t", "anonymousId": "a"},
        {"properties": {"a": 1}},
    ],
)
def test_put_without_a_key_is_refused(plane: DataPlane, body: dict[str, Any]) -> None:
    answer = plane.call("PUT", "/v1/contacts", body)

    assert answer == (400, {"error": "email or userId is required"})


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"userId": ""}, ["userId"], "too_small"),
        ({"userId": "u", "anonymousId": "a" * 201}, ["anonymousId"], "too_big"),
        ({"userId": "u" * 513}, ["userId"], "too_big"),
        ({"email": "not an address"}, ["email"], "invalid_format"),
        ({"userId": 7}, ["userId"], "invalid_type"),
        ({"userId": "u", "properties": []}, ["properties"], "invalid_type"),
        ({"userId": "u", "lists": {"digest": "yes"}}, ["lists", "digest"], "invalid_type"),
        ({"userId": "u", "timezone": "Mars/Olympus"}, ["timezone"], "custom"),
        ({"userId": "u", "timezone": "../../etc/passwd"}, ["timezone"], "custom"),
    ],
)
def test_put_that_does_not_fit_is_a_validation_answer(
    plane: DataPlane, body: dict[str, Any], path: list[str], code: str
) -> None:
    status, answer = plane.call("PUT", "/v1/contacts", body)

    assert status == 400
    assert (answer["success"], answer["error"]["name"]) == (False, "ZodError")
    (issue,) = json.loads(answer["error"]["message"])
    assert (issue["path"], issue["code"]) == (path, code)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {}])
def test_body_that_is_not_json_is_refused(
    plane: DataPlane, method: str, headers: dict[str, str]
) -> None:
    answer = plane.call(method, "/v1/contacts", None, headers=headers)

    assert answer == (400, {"error": "Content-Type must be application/json"})


def test_put_writes_source_and_timezone(plane: DataPlane) -> None:
    put(plane, userId="u", timezone="Europe/Berlin")
    plane.call("PUT", "/v1/contacts", {"anonymousId": "a"}, key=plane.public)

    rows = plane.db.run(
        Query("t", "SELECT external_id, source, timezone FROM contacts ORDER BY first_seen_at")
    )
    assert rows == [("u", "api", "Europe/Berlin"), (None, "inapp", None)]


def test_put_joins_lists(plane: DataPlane) -> None:
    put(plane, userId="u", email="e@x.co", lists={"digest": True})

    rows = plane.db.run(Query("t", "SELECT email, categories FROM email_preferences"))
    assert rows == [("e@x.co", {"digest": True})]


def test_put_with_an_unknown_list_writes_nothing(plane: DataPlane) -> None:
    status, answer = plane.call(
        "PUT", "/v1/contacts", {"userId": "u", "email": "e@x.co", "lists": {"nope": True}}
    )

    assert (status, answer) == (400, {"error": "Unknown list: nope"})
    assert plane.db.run(Query("t", "SELECT 1 FROM contacts")) == []


def test_put_with_lists_but_no_address_is_refused(plane: DataPlane) -> None:
    answer = plane.call("PUT", "/v1/contacts", {"userId": "u", "lists": {"digest": True}})

    assert answer == (400, {"error": "Contact has no email; cannot manage list membership"})


def test_browser_asserts_an_anonymous_contact(plane: DataPlane) -> None:
    status, answer = plane.call(
        "PUT", "/v1/contacts", {"anonymousId": "a", "properties": {"x": 1}}, key=plane.public
    )

    assert status == 200
    assert answer["created"] is True


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"userId": "u"}, "publishable key cannot act on another identity without a userToken"),
        ({"email": "e@x.co"},
         "publishable key cannot act on another identity without a userToken"),
        ({"userId": "u", "userToken": "nonsense"}, "Invalid userToken"),
        ({"userId": "u", "userToken": "<expired>"}, "Invalid userToken"),
        ({"userId": "v", "userToken": "<u>"}, "userToken does not authorize this identity"),
        ({"userId": "u", "email": "e@x.co", "userToken": "<u>"},
         "userToken does not authorize this identity"),
    ],
)  # fmt: skip
def test_browser_without_proof_is_refused(
    plane: DataPlane, body: dict[str, Any], message: str
) -> None:
    expired = plane.user_token("u")
    plane.clock.advance(timedelta(hours=2))
    tokens = {"<u>": plane.user_token("u"), "<expired>": expired}
    if "userToken" in body:
        body = body | {"userToken": tokens.get(body["userToken"], body["userToken"])}

    answer = plane.call("PUT", "/v1/contacts", body, key=plane.public)

    assert answer == (403, {"error": message})
    assert plane.db.run(Query("t", "SELECT 1 FROM contacts")) == []


def test_browser_with_proof_ties_its_anonymous_id_to_the_user(plane: DataPlane) -> None:
    plane.call("PUT", "/v1/contacts", {"anonymousId": "a"}, key=plane.public)

    status, answer = plane.call(
        "PUT",
        "/v1/contacts",
        {"userId": "u", "anonymousId": "a", "userToken": plane.user_token("u")},
        key=plane.public,
    )

    assert (status, answer["created"], answer["linked"]) == (200, False, True)
    _, found = plane.call("GET", "/v1/contacts/find", query={"userId": "u"})
    assert found["contacts"][0]["id"] == answer["id"]


@pytest.mark.parametrize("anonymous_id", ["a", "u"])
def test_browser_does_not_reach_an_identified_contact(plane: DataPlane, anonymous_id: str) -> None:
    put(plane, userId="u", anonymousId="a", properties={"plan": "pro"})

    status, answer = plane.call(
        "PUT",
        "/v1/contacts",
        {"anonymousId": anonymous_id, "properties": {"plan": "hacked"}},
        key=plane.public,
    )

    assert status == 403
    assert answer == {
        "error": "a publishable anonymous write cannot attach to or merge an identified contact"
    }
    _, found = plane.call("GET", "/v1/contacts/find", query={"userId": "u"})
    assert found["contacts"][0]["properties"] == {"plan": "pro"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/contacts"),
        ("GET", "/v1/contacts/find"),
        ("GET", "/v1/contacts/00000000-0000-0000-0000-000000000000/export"),
    ],
)
def test_browser_may_not_find_export_or_delete(plane: DataPlane, method: str, path: str) -> None:
    status, answer = plane.call(method, path, {"userId": "u"}, key=plane.public)

    assert status in (401, 403)
    assert set(answer) == {"error"}


@pytest.mark.parametrize("key", ["", "hsk_unknown"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/contacts"),
        ("DELETE", "/v1/contacts"),
        ("GET", "/v1/contacts/find"),
        ("GET", "/v1/contacts/me"),
        ("GET", "/v1/contacts/x/export"),
        ("POST", "/v1/contacts"),
        ("GET", "/v1/contacts/nothing"),
    ],
)
def test_stranger_is_unauthorized_everywhere(
    plane: DataPlane, method: str, path: str, key: str
) -> None:
    assert plane.call(method, path, {"userId": "u"}, key=key) == (401, {"error": "Unauthorized"})


def test_unknown_method_is_not_found_after_the_guard(plane: DataPlane) -> None:
    assert plane.call("POST", "/v1/contacts", {}) == (404, {"error": "Not Found"})
    assert plane.call("PUT", "/v1/contacts/", {}) == (404, {"error": "Not Found"})


def test_key_with_another_scope_is_forbidden(plane: DataPlane) -> None:
    for method, path in (("PUT", "/v1/contacts"), ("GET", "/v1/contacts/find")):
        assert plane.call(method, path, {"userId": "u"}, key=plane.read_only) == (
            403,
            {"error": "Forbidden: insufficient scope"},
        )


def test_changes_are_announced_once_each(plane: DataPlane) -> None:
    made = put(plane, userId="u")
    put(plane, userId="u")
    put(plane, userId="u", properties={"a": 1})
    put(plane, userId="u", email="e@x.co")
    plane.call("DELETE", "/v1/contacts", {"userId": "u"})

    assert outbound(plane) == [
        ("contact.created",
         {"id": made["id"], "externalId": "u", "email": None, "properties": {}}),
        ("contact.updated",
         {"id": made["id"], "externalId": "u", "email": None, "properties": {"a": 1}}),
        ("contact.updated",
         {"id": made["id"], "externalId": "u", "email": "e@x.co", "properties": {}}),
        ("contact.deleted", {"id": made["id"], "externalId": "u", "email": "e@x.co"}),
    ]  # fmt: skip


def test_delete_forgets_keys_and_keeps_history(plane: DataPlane) -> None:
    made = put(plane, userId="u", email="e@x.co")
    plane.db.run(
        Query("t", "INSERT INTO user_events (user_id, contact_id, event) VALUES ('u', $1, 'x')",
              ("id",)), id=UUID(made["id"]),
    )  # fmt: skip

    first = plane.call("DELETE", "/v1/contacts", {"userId": "u"})
    second = plane.call("DELETE", "/v1/contacts", {"userId": "u"})
    again = put(plane, userId="u", email="e@x.co")

    assert first == (200, {"deleted": True})
    assert second == (404, {"error": "Contact not found"})
    assert again["created"] is True
    assert plane.db.run(Query("t", "SELECT count(*) FROM user_events")) == [(1,)]


def test_delete_of_two_people_deletes_and_announces_both(plane: DataPlane) -> None:
    put(plane, userId="u")
    put(plane, email="e@x.co")

    status, _ = plane.call("DELETE", "/v1/contacts", {"userId": "u", "email": "e@x.co"})

    assert status == 200
    assert [kind for kind, _ in outbound(plane)].count("contact.deleted") == 2


def test_delete_by_an_alias_deletes_the_survivor(plane: DataPlane) -> None:
    put(plane, userId="u", email="e@x.co")
    put(plane, userId="u", email="alias@x.co")

    assert plane.call("DELETE", "/v1/contacts", {"email": "alias@x.co"})[0] == 200
    _, found = plane.call("GET", "/v1/contacts/find", query={"userId": "u"})
    assert found == {"contacts": []}


def test_delete_ends_the_persons_journeys(plane: DataPlane) -> None:
    made = put(plane, userId="u")
    plane.db.run(
        Query("t", "INSERT INTO journey_states (user_id, contact_id, journey_id, status)"
              " VALUES ('u', $1, 'welcome', 'waiting')", ("id",)), id=UUID(made["id"]),
    )  # fmt: skip

    plane.call("DELETE", "/v1/contacts", {"userId": "u"})

    assert plane.db.run(Query("t", "SELECT status, exit_reason FROM journey_states")) == [
        ("exited", "contact_deleted")
    ]


def test_delete_without_a_key_is_refused(plane: DataPlane) -> None:
    assert plane.call("DELETE", "/v1/contacts", {}) == (
        400,
        {"error": "email or userId is required"},
    )


ME = "/v1/contacts/me"


def test_me_with_proof_answers_the_exposed_traits(plane: DataPlane) -> None:
    put(plane, userId="u", email="e@x.co", properties={"plan": "pro", "secret": "x"})

    answer = plane.call("GET", ME, query={"userToken": plane.user_token("u")}, key=plane.public)

    assert answer == (
        200,
        {"identified": True, "traits": {"plan": "pro"}, "email": "e@x.co"},
    )


def test_me_of_an_anonymous_browser_answers_its_own_traits(plane: DataPlane) -> None:
    plane.call(
        "PUT", "/v1/contacts", {"anonymousId": "a", "properties": {"plan": "x"}}, key=plane.public
    )

    answer = plane.call("GET", ME, query={"anonymousId": "a"}, key=plane.public)

    assert answer == (200, {"identified": False, "traits": {"plan": "x"}})


@pytest.mark.parametrize(
    "query", [{"anonymousId": "a"}, {"userId": "u"}, {"email": "e@x.co"}, {"anonymousId": "new"}]
)
def test_me_without_proof_tells_nothing_about_somebody(
    plane: DataPlane, query: dict[str, str]
) -> None:
    put(plane, userId="u", email="e@x.co", anonymousId="a", properties={"plan": "pro"})

    answer = plane.call("GET", ME, query=query, key=plane.public)

    assert answer == (200, {"identified": False, "traits": {}})


def test_me_refuses_what_it_must(plane: DataPlane) -> None:
    put(plane, userId="u", properties={"plan": "pro"})

    assert plane.call("GET", ME, key=plane.public) == (
        400, {"error": "anonymousId, userId, email, or userToken is required"},
    )  # fmt: skip
    assert plane.call("GET", ME, query={"userToken": "x"}, key=plane.public) == (
        403, {"error": "Invalid userToken"},
    )  # fmt: skip
    assert plane.call("GET", ME, query={"anonymousId": "u"}, key=plane.public) == (
        403, {"error": "anonymousId is not addressable"},
    )  # fmt: skip


def test_me_with_a_secret_key_reads_anybody(plane: DataPlane) -> None:
    put(plane, userId="u", properties={"plan": "pro"})

    assert plane.call("GET", ME, query={"userId": "u"}) == (
        200, {"identified": True, "traits": {"plan": "pro"}},
    )  # fmt: skip


@pytest.mark.parametrize("query", [{"userId": "a\0b"}, {"email": "a\0b"}])
def test_find_with_nul_bytes_is_refused(plane: DataPlane, query: dict[str, str]) -> None:
    status, answer = plane.call("GET", "/v1/contacts/find", query=query)

    assert status == 400
    assert answer["success"] is False
