"""Every refusal of ``POST /v1/events``: exact status and body, and nothing stored."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from hogsend.access.api_keys import create_api_key
from hogsend.db import Query
from tests.contract.data_plane import ORIGIN, DataPlane
from tests.contract.events.conftest import serve

pytestmark = pytest.mark.integration

PATH = "/v1/events"
OK: dict[str, Any] = {"name": "seen", "userId": "u"}
NO_IDENTITY = (400, {"error": "email or userId is required"})
MALFORMED = (400, {"error": "Malformed JSON in request body"})


def raw(
    plane: DataPlane, body: bytes, *, content_type: str | None = "application/json"
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {plane.secret}"}
    if content_type is not None:
        headers["Content-Type"] = content_type
    result = plane._client.simulate_post(PATH, body=body, headers=headers)
    return result.status_code, result.json


def stored(plane: DataPlane) -> tuple[int, int]:
    rows: list[tuple[int, int]] = plane.db.run(
        Query("t", "SELECT (SELECT count(*) FROM user_events), (SELECT count(*) FROM contacts)")
    )
    return rows[0]


INVALID: list[tuple[dict[str, Any], list[str], str]] = [
    ({"userId": "u"}, ["name"], "invalid_type"),
    (OK | {"name": ""}, ["name"], "too_small"),
    (OK | {"name": None}, ["name"], "invalid_type"),
    (OK | {"name": 3}, ["name"], "invalid_type"),
    (OK | {"name": "n" * 256}, ["name"], "too_big"),
    (OK | {"userId": ""}, ["userId"], "too_small"),
    (OK | {"userId": 7}, ["userId"], "invalid_type"),
    (OK | {"userId": "u" * 513}, ["userId"], "too_big"),
    (OK | {"email": "nope"}, ["email"], "invalid_format"),
    (OK | {"email": "a@b"}, ["email"], "invalid_format"),
    (OK | {"email": "a" * 250 + "@b.co"}, ["email"], "invalid_format"),
    (OK | {"anonymousId": ""}, ["anonymousId"], "too_small"),
    (OK | {"anonymousId": "a" * 201}, ["anonymousId"], "too_big"),
    (OK | {"eventProperties": []}, ["eventProperties"], "invalid_type"),
    (OK | {"eventProperties": "x"}, ["eventProperties"], "invalid_type"),
    (OK | {"contactProperties": 1}, ["contactProperties"], "invalid_type"),
    (OK | {"value": "5"}, ["value"], "invalid_type"),
    (OK | {"value": True}, ["value"], "invalid_type"),
    (OK | {"value": 1e12}, ["value"], "too_big"),
    (OK | {"value": -1e12}, ["value"], "too_small"),
    (OK | {"value": 999999999999.995}, ["value"], "too_big"),
    (OK | {"currency": "EURO", "value": 1}, ["currency"], "invalid_format"),
    (OK | {"currency": "E1R", "value": 1}, ["currency"], "invalid_format"),
    (OK | {"currency": "EUR\n", "value": 1}, ["currency"], "invalid_format"),
    (OK | {"lists": {"digest": 1}}, ["lists", "digest"], "invalid_type"),
    (OK | {"lists": {f"l{n}": True for n in range(101)}}, ["lists"], "too_big"),
    (OK | {"groups": {"company": ""}}, ["groups", "company"], "too_small"),
    (OK | {"groups": {"company": 5}}, ["groups", "company"], "invalid_type"),
    (OK | {"groups": {f"g{n}": "x" for n in range(33)}}, ["groups"], "too_big"),
    (OK | {"idempotencyKey": ""}, ["idempotencyKey"], "too_small"),
    (OK | {"idempotencyKey": "k" * 513}, ["idempotencyKey"], "too_big"),
    (OK | {"timestamp": "2026-01-01T00:00:00+02:00"}, ["timestamp"], "invalid_format"),
    (OK | {"timestamp": "2026-01-01T00:00:00"}, ["timestamp"], "invalid_format"),
    (OK | {"timestamp": "2026-01-01"}, ["timestamp"], "invalid_format"),
    (OK | {"timestamp": "2026-02-30T00:00:00Z"}, ["timestamp"], "invalid_format"),
    (OK | {"timestamp": "2026-01-01T24:00:00Z"}, ["timestamp"], "invalid_format"),
    (OK | {"timestamp": "2026-01-01T00:00:00z"}, ["timestamp"], "invalid_format"),
    (OK | {"timestamp": "2026-01-01 00:00:00Z"}, ["timestamp"], "invalid_format"),
    (OK | {"timestamp": "0000-01-01T00:00:00Z"}, ["timestamp"], "invalid_format"),
    (OK | {"timestamp": 1767225600}, ["timestamp"], "invalid_type"),
    (OK | {"userToken": 5}, ["userToken"], "invalid_type"),
]


def test_body_that_does_not_fit_is_a_validation_answer(served: DataPlane) -> None:
    wrong = {}
    for body, path, code in INVALID:
        status, answer = served.call("POST", PATH, body)
        found: Any = answer
        if status == 400 and answer.get("success") is False:
            assert set(answer) == {"success", "error"}
            assert answer["error"]["name"] == "ZodError"
            found = [
                (issue["path"], issue["code"]) for issue in json.loads(answer["error"]["message"])
            ]
            assert all(issue["message"] for issue in json.loads(answer["error"]["message"]))
        if found != [(path, code)]:
            wrong[json.dumps(body)[:80]] = (status, found)

    assert wrong == {}
    assert stored(served) == (0, 0)


MALFORMED_BODIES: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"name": "x"',
    "not JSON": b"name=x",
    "invalid UTF-8": b'{"name": "\xff", "userId": "u"}',
    "NaN": b'{"name": "x", "userId": "u", "eventProperties": {"n": NaN}}',
    "infinity": b'{"name": "x", "userId": "u", "value": Infinity}',
    "lone surrogate": b'{"name": "x", "userId": "u", "eventProperties": {"s": "\\ud800"}}',
    "lone surrogate in a key": b'{"name": "x", "userId": "u", "eventProperties": {"\\udfff": 1}}',
    "too deep": b'{"name": "x", "userId": "u", "eventProperties": {"a": '
    + b"[" * 5000 + b"]" * 5000 + b"}}",
}  # fmt: skip


def test_body_that_is_no_json_is_refused(served: DataPlane) -> None:
    answers = {name: raw(served, body) for name, body in MALFORMED_BODIES.items()}

    assert answers == dict.fromkeys(MALFORMED_BODIES, MALFORMED)
    assert stored(served) == (0, 0)


UNSTORABLE: dict[str, tuple[bytes, str]] = {
    "NUL in a value": (
        b'{"name": "x", "userId": "u", "eventProperties": {"s": "a\\u0000b"}}',
        "Text must not contain NUL characters",
    ),
    "NUL in a key": (
        b'{"name": "x", "userId": "u", "contactProperties": {"a\\u0000b": 1}}',
        "Text must not contain NUL characters",
    ),
    "NUL in the name": (
        b'{"name": "x\\u0000", "userId": "u"}', "Text must not contain NUL characters",
    ),
    "NUL in the user id": (
        b'{"name": "x", "userId": "u\\u0000"}', "Text must not contain NUL characters",
    ),
    "integer of 65 bits": (
        b'{"name": "x", "userId": "u", "eventProperties": {"n": 18446744073709551616}}',
        "Integers must fit in 64 bits",
    ),
    "number beyond a double": (
        b'{"name": "x", "userId": "u", "eventProperties": {"n": 1e999}}',
        "Numbers must be finite",
    ),
    "value beyond a double": (
        b'{"name": "x", "userId": "u", "value": 1e999}', "Numbers must be finite",
    ),
}  # fmt: skip


def test_values_that_cannot_be_stored_are_refused(served: DataPlane) -> None:
    answers = {name: raw(served, body) for name, (body, _) in UNSTORABLE.items()}

    assert answers == {name: (400, {"error": text}) for name, (_, text) in UNSTORABLE.items()}
    assert stored(served) == (0, 0)


def test_other_content_types_are_refused(served: DataPlane) -> None:
    body = json.dumps(OK).encode()
    kinds = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]

    answers = [raw(served, body, content_type=kind) for kind in kinds]

    assert answers == [(400, {"error": "Content-Type must be application/json"})] * len(kinds)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.x+json"])
def test_json_content_types_are_accepted(served: DataPlane, kind: str) -> None:
    assert raw(served, json.dumps(OK).encode(), content_type=kind)[0] == 202


def test_too_large_body_is_refused(served: DataPlane) -> None:
    body = json.dumps(OK | {"eventProperties": {"s": "x" * (1024 * 1024)}}).encode()

    status, answer = raw(served, body)

    assert status == 413
    assert set(answer) == {"error"}
    assert stored(served) == (0, 0)


@pytest.mark.parametrize("body", [
    {"name": "x"},
    {"name": "x", "anonymousId": "a"},
    {"name": "x", "userId": " "},
    {"name": "x", "userId": "\u00a0\t", "anonymousId": "a"},
])  # fmt: skip
def test_server_without_an_identity_is_refused(served: DataPlane, body: dict[str, Any]) -> None:
    assert served.call("POST", PATH, body) == NO_IDENTITY
    assert stored(served) == (0, 0)


@pytest.mark.parametrize("body", [{"name": "x"}, {"name": "x", "anonymousId": "  "}])
def test_browser_without_any_key_is_refused(served: DataPlane, body: dict[str, Any]) -> None:
    assert served.call("POST", PATH, body, key=served.public) == NO_IDENTITY


def test_browser_without_proof_is_refused_with_the_word_the_sdk_looks_for(
    served: DataPlane,
) -> None:
    expired = served.user_token("u")
    served.clock.advance(timedelta(hours=2))
    token = served.user_token("u")
    act = "publishable key cannot act on another identity without a userToken"
    other = "userToken does not authorize this identity"
    rows: list[tuple[dict[str, Any], str]] = [
        ({"userId": "u"}, act),
        ({"email": "e@x.co"}, act),
        ({"userId": "u", "userToken": ""}, act),
        ({"userId": "u", "userToken": "x.y"}, "Invalid userToken"),
        ({"userId": "u", "userToken": expired}, "Invalid userToken"),
        ({"userId": "u", "userToken": token[:-2]}, "Invalid userToken"),
        ({"userId": "other", "userToken": token}, other),
        ({"email": "e@x.co", "userToken": token}, other),
        ({"userId": "u", "email": "e@x.co", "userToken": token}, other),
    ]

    answers = [
        served.call("POST", PATH, {"name": "x"} | body, key=served.public) for body, _ in rows
    ]

    assert answers == [(403, {"error": text}) for _, text in rows]
    assert all("usertoken" in text.lower() for _, text in rows)
    assert stored(served) == (0, 0)


def test_anonymous_browser_does_not_reach_an_identified_contact(served: DataPlane) -> None:
    served.call("POST", PATH, OK | {"anonymousId": "a"})

    answers = [
        served.call("POST", PATH, {"name": "x", "anonymousId": value} | extra, key=served.public)
        for value in ("a", "u")
        for extra in ({}, {"value": 5}, {"contactProperties": {"plan": "hacked"}})
    ]

    text = "a publishable anonymous write cannot attach to or merge an identified contact"
    assert answers == [(403, {"error": text})] * 6
    assert stored(served) == (1, 1)


@pytest.mark.parametrize("name", ["journey:completed", "email.link_clicked", "bucket:entered:x"])
def test_browser_cannot_fake_what_hogsend_tells_of(served: DataPlane, name: str) -> None:
    body = {"name": name, "userId": "u", "userToken": served.user_token("u")}

    refused = served.call("POST", PATH, body, key=served.public)
    batch = served.call("POST", f"{PATH}/batch", [body, body | {"name": "x"}], key=served.public)
    by_server = served.call("POST", PATH, {"name": name, "userId": "u"})

    text = "a publishable key cannot send events whose names belong to Hogsend"
    assert refused == (403, {"error": text})
    assert [result["status"] for result in batch[1]["results"]] == [403, 202]
    assert by_server[0] == 202
    assert stored(served) == (2, 1)


def test_keys_are_refused_in_the_order_of_the_guard(served: DataPlane) -> None:
    _, both = create_api_key(served.db, name="x", publishable=True, allowed_origins=[ORIGIN])
    served.db.run(
        Query("t", "UPDATE api_keys SET scopes = '[\"ingest-public\", \"ingest\"]'"
              " WHERE name = 'x'")
    )  # fmt: skip

    def post(headers: dict[str, str]) -> tuple[int, Any]:
        return served.call("POST", PATH, OK, key="", headers=headers)

    unauthorized = (401, {"error": "Unauthorized"})
    insufficient = (403, {"error": "Forbidden: insufficient scope"})
    origin = (403, {"error": "Forbidden: origin not allowed"})
    assert post({}) == unauthorized
    assert post({"Authorization": f"bearer {served.secret}"}) == unauthorized
    assert post({"Authorization": f"Bearer  {served.secret}"}) == unauthorized
    assert post({"Authorization": "Bearer hsk_unknown"}) == unauthorized
    assert post({"Authorization": f"Bearer {served.read_only}"}) == insufficient
    assert post({"Authorization": f"Bearer {both}", "Origin": ORIGIN}) == insufficient
    assert post({"Authorization": f"Bearer {served.public}"}) == origin
    assert post({"Authorization": f"Bearer {served.public}", "Origin": ORIGIN + "/"}) == origin
    assert post({"Authorization": f"Bearer {served.public}", "Origin": "null"}) == origin


def test_revoked_and_expired_keys_are_refused(served: DataPlane) -> None:
    served.db.run(Query("t", "UPDATE api_keys SET revoked_at = now() WHERE name = 'sk'"))
    served.db.run(Query("t", "UPDATE api_keys SET expires_at = '2025-01-01' WHERE name = 'admin'"))

    assert served.call("POST", PATH, OK) == (401, {"error": "Unauthorized"})
    assert served.call("POST", PATH, OK, key=served.admin) == (
        401,
        {"error": "API key expired"},
    )


def test_suspended_ingest_answers_429_without_retry_after(served: DataPlane) -> None:
    serve(served, is_suspended=True)

    result = served.request("POST", PATH, OK)
    batch = served.call("POST", PATH + "/batch", [OK])

    assert result.status_code == 429
    assert set(result.json) == {"error", "message"}
    assert result.json["error"] == "ingest_suspended"
    assert "retry-after" not in result.headers
    assert batch == (429, result.json)
    assert served.call("POST", PATH, {"userId": "u"})[0] == 400
    assert served.call("POST", PATH, OK, key="hsk_x")[0] == 401
    assert stored(served) == (0, 0)


def test_wrong_methods_and_trailing_slash_are_not_found(served: DataPlane) -> None:
    not_found = (404, {"error": "Not Found"})

    assert served.call("GET", PATH) == not_found
    assert served.call("PUT", PATH, OK) == not_found
    assert served.call("POST", PATH + "/", OK) == not_found
    assert served.call("POST", "/v1/ingest", OK) == not_found
    assert served.call("GET", PATH, key="hsk_x") == (401, {"error": "Unauthorized"})


def test_too_long_idempotency_header_is_refused(served: DataPlane) -> None:
    answer = served.call("POST", PATH, OK, headers={"Idempotency-Key": "k" * 513})

    assert answer == (400, {"error": "Idempotency-Key must have at most 512 characters"})
