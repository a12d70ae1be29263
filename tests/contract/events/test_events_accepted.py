"""What ``POST /v1/events`` accepts, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from hogsend.db import Query
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration

PATH = "/v1/events"


def rows(plane: DataPlane, sql: str) -> list[tuple[Any, ...]]:
    return plane.db.run(Query("t", sql))


def accepted(plane: DataPlane, body: dict[str, Any], **options: Any) -> Any:
    status, answer = plane.call("POST", PATH, body, **options)
    assert status == 202, answer
    return answer


def test_event_is_stored_as_sent(served: DataPlane) -> None:
    answer = accepted(
        served,
        {
            "name": "order.paid",
            "userId": " u ",
            "email": "Ada@Example.com",
            "anonymousId": "a",
            "eventProperties": {"total": 10.5, "items": [1, {"sku": "x"}], "none": None},
            "contactProperties": {"plan": "pro", "gone": None},
            "value": -9.99,
            "currency": "eur",
            "groups": {"company": "acme"},
            "timestamp": "2026-01-01T10:00:00.123456789Z",
            "source": "ignored",
            "somethingElse": True,
        },
    )

    assert answer == {"stored": True, "exits": [], "contactKey": "u"}
    assert rows(
        served,
        "SELECT user_id, event, properties, groups, value::text, currency, source,"
        " to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS') FROM user_events",
    ) == [
        (
            "u", "order.paid", {"total": 10.5, "items": [1, {"sku": "x"}], "none": None},
            {"company": "acme"}, "-9.99", "EUR", "api", "2026-01-01T10:00:00.123",
        )
    ]  # fmt: skip
    assert rows(
        served, "SELECT external_id, email, anonymous_id, properties, source FROM contacts"
    ) == [("u", "ada@example.com", "a", {"plan": "pro"}, "api")]
    assert rows(
        served,
        "SELECT group_type, group_key FROM groups g JOIN group_memberships m ON m.group_id = g.id",
    ) == [("company", "acme")]


def test_currency_without_value_is_dropped_and_zero_is_a_value(served: DataPlane) -> None:
    accepted(served, {"name": "a", "userId": "u", "currency": "usd"})
    accepted(served, {"name": "b", "userId": "u", "value": 0, "currency": "usd"})

    assert rows(served, "SELECT event, value::text, currency FROM user_events ORDER BY event") == [
        ("a", None, None),
        ("b", "0.00", "USD"),
    ]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-01-01T10:00Z", "2026-01-01 10:00:00"),
        ("2026-01-01T10:00:00Z", "2026-01-01 10:00:00"),
        ("1999-12-31T23:59:59.9Z", "1999-12-31 23:59:59.9"),
        ("0001-01-01T00:00:00Z", "0001-01-01 00:00:00"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31 23:59:59.999"),
    ],
)
def test_timestamp_is_when_it_happened(served: DataPlane, sent: str, kept: str) -> None:
    accepted(served, {"name": "a", "userId": "u", "timestamp": sent})

    assert rows(served, "SELECT (occurred_at AT TIME ZONE 'UTC')::text FROM user_events") == [
        (kept,)
    ]
    assert rows(served, "SELECT received_at > now() - interval '1 minute' FROM user_events") == [
        (True,)
    ]


def test_null_is_absent(served: DataPlane) -> None:
    names = ("email", "anonymousId", "eventProperties", "contactProperties", "value", "currency",
             "lists", "groups", "idempotencyKey", "timestamp", "userToken")  # fmt: skip

    answer = accepted(served, {"name": "a", "userId": "u"} | dict.fromkeys(names))

    assert answer == {"stored": True, "exits": [], "contactKey": "u"}


def test_awkward_text_survives(served: DataPlane) -> None:
    properties = {"": "empty", "emoji": "😀\U0010ffff", "quote\"'\\": "\r\n\t", "a" * 500: "long"}

    accepted(served, {"name": "a \u202e'; --", "userId": "u'\"\\x", "eventProperties": properties})

    assert rows(served, "SELECT user_id, event, properties FROM user_events") == [
        ("u'\"\\x", "a \u202e'; --", properties)
    ]


def test_numbers_keep_their_precision(served: DataPlane) -> None:
    numbers = {"big": 2**63 - 1, "small": -(2**63), "float": 0.1, "tiny": 5e-324, "huge": 1.5e300}

    accepted(served, {"name": "a", "userId": "u", "eventProperties": numbers})

    found = rows(served, "SELECT properties FROM user_events")[0][0]
    assert {name: type(numbers[name])(value) for name, value in found.items()} == numbers


def test_duplicate_is_accepted_and_header_wins_over_the_field(served: DataPlane) -> None:
    body = {"name": "a", "userId": "u", "idempotencyKey": "field"}
    first = accepted(served, body, headers={"Idempotency-Key": "header"})
    second = accepted(served, body | {"idempotencyKey": "x"}, headers={"Idempotency-Key": "header"})
    third = accepted(served, body)

    assert [first["stored"], second["stored"], third["stored"]] == [True, False, True]
    assert second == {"stored": False, "exits": [], "contactKey": "u"}
    assert rows(served, "SELECT idempotency_key FROM user_events ORDER BY 1") == [
        ("api:field",),
        ("api:header",),
    ]


def test_duplicate_still_patches_the_contact_and_joins_lists(served: DataPlane) -> None:
    body = {"name": "a", "userId": "u", "email": "e@x.co", "idempotencyKey": "k"}
    accepted(served, body)

    again = accepted(served, body | {"contactProperties": {"a": 1}, "lists": {"digest": True}})

    assert again["stored"] is False
    assert rows(served, "SELECT properties FROM contacts") == [({"a": 1},)]
    assert rows(served, "SELECT categories FROM email_preferences") == [({"digest": True},)]


def test_lists_are_written_after_the_event(served: DataPlane) -> None:
    ok = accepted(
        served, {"name": "a", "userId": "u", "email": "e@x.co", "lists": {"digest": False}}
    )
    without_email = accepted(served, {"name": "a", "userId": "v", "lists": {"digest": True}})
    unknown = accepted(served, {"name": "a", "userId": "u", "lists": {"nope": True}})

    assert "listsError" not in ok
    assert without_email["listsError"] == "Contact has no email; cannot manage list membership"
    assert unknown["listsError"] == "Unknown list: nope"
    assert without_email["stored"] is True
    assert rows(served, "SELECT email, categories FROM email_preferences") == [
        ("e@x.co", {"digest": False})
    ]


def test_browser_with_proof_writes_as_its_user(served: DataPlane) -> None:
    body = {"name": "a", "anonymousId": "a", "userToken": served.user_token("u"), "userId": "u"}

    answer = accepted(served, body, key=served.public)

    assert answer["contactKey"] == "u"
    assert rows(served, "SELECT external_id, anonymous_id, source FROM contacts") == [
        ("u", "a", "inapp")
    ]
    assert rows(served, "SELECT source FROM user_events") == [("inapp",)]


def test_server_ignores_the_user_token(served: DataPlane) -> None:
    assert accepted(served, {"name": "a", "userId": "u", "userToken": "nonsense"})["stored"]


@pytest.mark.parametrize(
    ("extra", "makes_contact"),
    [
        ({}, False),
        ({"contactProperties": {"a": 1}}, False),
        ({"value": None, "groups": None}, False),
        ({"value": 0}, True),
        ({"value": 5, "currency": "eur"}, True),
        ({"groups": {}}, True),
        ({"groups": {"company": "acme"}}, True),
    ],
)
def test_anonymous_browser_observes_unless_it_asserts(
    served: DataPlane, extra: dict[str, Any], makes_contact: bool
) -> None:
    answer = accepted(served, {"name": "page", "anonymousId": "a"} | extra, key=served.public)

    assert answer == {"stored": True, "exits": [], "contactKey": "a"}
    assert rows(served, "SELECT anonymous_id FROM contacts") == [("a",)] * makes_contact
    assert rows(served, "SELECT user_id, contact_id IS NOT NULL FROM user_events") == [
        ("a", makes_contact)
    ]


def test_observations_belong_to_the_person_once_there_is_one(served: DataPlane) -> None:
    accepted(served, {"name": "page", "anonymousId": "a"}, key=served.public)
    accepted(served, {"name": "signup", "userId": "u", "anonymousId": "a"})

    assert rows(
        served, "SELECT user_id, contact_id IS NOT NULL FROM user_events ORDER BY received_at"
    ) == [("a", True), ("u", True)]


def test_anonymous_browser_reaches_its_own_contact(served: DataPlane) -> None:
    accepted(served, {"name": "a", "anonymousId": "a", "value": 1}, key=served.public)

    answer = accepted(served, {"name": "b", "anonymousId": "a"}, key=served.public)

    assert answer["contactKey"] == "a"
    assert rows(served, "SELECT count(*) FROM user_events WHERE contact_id IS NOT NULL") == [(2,)]


def test_exits_name_every_live_enrollment_that_knows_the_event(served: DataPlane) -> None:
    accepted(served, {"name": "seen", "userId": "u"})
    rows(
        served,
        "INSERT INTO journey_states (user_id, contact_id, journey_id, status)"
        " SELECT 'u', id, 'welcome', 'waiting' FROM contacts",
    )
    state = str(rows(served, "SELECT id FROM journey_states")[0][0])

    kept = accepted(served, {"name": "paid", "userId": "u"})
    left = accepted(served, {"name": "paid", "userId": "u", "eventProperties": {"amount": 1}})
    after = accepted(served, {"name": "paid", "userId": "u", "eventProperties": {"amount": 1}})

    assert kept["exits"] == [{"journeyId": "welcome", "stateId": state, "exited": False}]
    assert left["exits"] == [{"journeyId": "welcome", "stateId": state, "exited": True}]
    assert after["exits"] == []


BATCH = "/v1/events/batch"


def test_batch_answers_each_element_in_order(served: DataPlane) -> None:
    status, answer = served.call(
        "POST",
        BATCH,
        {
            "events": [
                {"name": "a", "userId": "u1"},
                {"name": "", "userId": "u2"},
                {"name": "c"},
                {"name": "d", "userId": "u3", "eventProperties": {"s": "a\0b"}},
                "nonsense",
                {"name": "e", "userId": "u4", "email": "e@x.co", "lists": {"nope": True}},
            ]
        },
    )

    assert status == 207
    assert (answer["accepted"], answer["failed"]) == (2, 4)
    first, second, third, fourth, fifth, last = answer["results"]
    assert first == {"status": 202, "stored": True, "exits": [], "contactKey": "u1"}
    assert (second["status"], second["error"]) == (400, "Invalid event")
    assert [issue["path"] for issue in second["issues"]] == [["name"]]
    assert third == {"status": 400, "error": "email or userId is required"}
    assert fourth == {"status": 400, "error": "Text must not contain NUL characters"}
    assert fifth["status"] == 400
    assert last["listsError"] == "Unknown list: nope"
    assert rows(served, "SELECT user_id FROM user_events ORDER BY 1") == [("u1",), ("u4",)]


def test_batch_of_good_events_answers_202_and_array_form_works(served: DataPlane) -> None:
    status, answer = served.call(
        "POST", BATCH, [{"name": "a", "userId": f"u{n}"} for n in range(3)]
    )

    assert status == 202
    assert (answer["accepted"], answer["failed"], len(answer["results"])) == (3, 0, 3)


def test_batch_header_key_names_each_element(served: DataPlane) -> None:
    body = [{"name": "a", "userId": "u"}, {"name": "b", "userId": "u", "idempotencyKey": "own"}]

    served.call("POST", BATCH, body, headers={"Idempotency-Key": "k"})
    status, again = served.call("POST", BATCH, body, headers={"Idempotency-Key": "k"})

    assert status == 202
    assert [one["stored"] for one in again["results"]] == [False, False]
    assert rows(served, "SELECT idempotency_key FROM user_events ORDER BY 1") == [
        ("api:k:0",),
        ("api:own",),
    ]


@pytest.mark.parametrize("body", [[], {"events": []}, {}, "x", 5, {"events": {}}, [{}] * 501])
def test_batch_that_is_no_list_of_events_is_refused(served: DataPlane, body: object) -> None:
    answer = served.call("POST", BATCH, body)

    assert answer == (400, {"error": "A batch is an array of 1 to 500 events"})


def test_batch_keeps_the_order_of_one_person_through_decisions(served: DataPlane) -> None:
    served.call("POST", "/v1/events", {"name": "seen", "userId": "u"})

    status, answer = served.call(
        "POST",
        BATCH,
        [
            {"name": "first", "userId": "u", "email": "e@x.co"},
            {"name": "second", "userId": "u"},
            {"name": "other", "userId": "v"},
            {"name": "third", "email": "e@x.co"},
        ],
    )

    assert status == 202
    assert [one["contactKey"] for one in answer["results"]] == ["u", "u", "v", "u"]
    assert [
        row[0]
        for row in rows(
            served,
            "SELECT event FROM user_events WHERE contact_id = (SELECT id FROM contacts"
            " WHERE external_id = 'u') ORDER BY received_at",
        )
    ] == ["seen", "first", "second", "third"]
