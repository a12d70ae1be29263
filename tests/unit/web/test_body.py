from __future__ import annotations

import io
import json
from typing import Annotated, Any

import falcon.testing
import pytest
from pydantic import BaseModel, ConfigDict, Field

from hogsend.db.errors import DatabaseUnavailable
from hogsend.errors import (
    Conflict,
    HogsendError,
    InvalidInput,
    NotAllowed,
    NotFound,
    RateLimited,
)
from hogsend.web.app import WebOptions, build_app
from hogsend.web.body import read_body
from hogsend.web.http import Request, Response
from hogsend.web.route import Route


class Thing(BaseModel):
    model_config = ConfigDict(strict=True)

    name: Annotated[str, Field(min_length=1, max_length=5)]
    bag: dict[str, Any] | None = None


def post(req: Request, resp: Response) -> None:
    resp.json(req.json_model(Thing).model_dump())


@pytest.fixture
def client() -> falcon.testing.TestClient:
    return falcon.testing.TestClient(
        build_app(
            [Route(method="POST", path="/things", handler=post)],
            options=WebOptions(max_body_bytes=1000),
        )
    )


def send(
    client: falcon.testing.TestClient, body: bytes | str, content_type: str = "application/json"
) -> falcon.testing.Result:
    return client.simulate_post("/things", body=body, content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        '{"name": "a",}',
        '{"name": "a", "bag": {"x": NaN}}',
        '{"name": "a", "bag": {"x": Infinity}}',
        '{"name": "a", "bag": {"x": "\\ud800"}}',
        b'{"name": "\xff"}',
        '{"name": "a", "bag": {"x": ' + "[" * 300 + "]" * 300 + "}}",
    ],
)
def test_malformed_json_answers_400(client: falcon.testing.TestClient, body: bytes | str) -> None:
    result = send(client, body)

    assert result.status_code == 400
    assert result.json == {"error": "Malformed JSON in request body"}


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "a\\u0000"}',
        '{"name": "a", "bag": {"x\\u0000": 1}}',
        '{"name": "a", "bag": {"x": [{"y": "\\u0000"}]}}',
        '{"name": "a", "bag": {"x": 9223372036854775808}}',
        '{"name": "a", "bag": {"x": -9223372036854775809}}',
        '{"name": "a", "bag": {"x": 1e999}}',
    ],
)
def test_value_postgres_cannot_hold_answers_400(
    client: falcon.testing.TestClient, body: str
) -> None:
    result = send(client, body)

    assert result.status_code == 400
    assert set(result.json) == {"error"}


@pytest.mark.parametrize(
    "bag",
    [
        {"x": 9223372036854775807},
        {"x": -9223372036854775808},
        {"x": "\\u0000 as text"},
        {"x": "NaN"},
        {"x": 1e300},
    ],
)
def test_suspicious_but_storable_value_passes(
    client: falcon.testing.TestClient, bag: dict[str, Any]
) -> None:
    result = send(client, json.dumps({"name": "a", "bag": bag}))

    assert result.status_code == 200
    assert result.json["bag"] == bag


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/a+json"])
def test_json_content_types_are_accepted(
    client: falcon.testing.TestClient, content_type: str
) -> None:
    assert send(client, '{"name": "a"}', content_type).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_other_content_type_answers_400(
    client: falcon.testing.TestClient, content_type: str
) -> None:
    assert send(client, '{"name": "a"}', content_type).status_code == 400


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({}, "invalid_type", ["name"]),
        ({"name": 5}, "invalid_type", ["name"]),
        ({"name": ""}, "too_small", ["name"]),
        ({"name": "toolong"}, "too_big", ["name"]),
        ({"name": "a", "bag": []}, "invalid_type", ["bag"]),
    ],
)
def test_validation_failure_answers_issues_as_json_text(
    client: falcon.testing.TestClient, body: dict[str, Any], code: str, path: list[str]
) -> None:
    result = send(client, json.dumps(body))

    assert result.status_code == 400
    assert result.json["success"] is False
    assert result.json["error"]["name"] == "ZodError"
    issues = json.loads(result.json["error"]["message"])
    assert [(i["code"], i["path"]) for i in issues] == [(code, path)]
    assert issues[0]["message"]


def test_body_above_the_limit_answers_413(client: falcon.testing.TestClient) -> None:
    result = send(client, json.dumps({"name": "a", "bag": {"x": "y" * 1000}}))

    assert result.status_code == 413
    assert set(result.json) == {"error"}


def test_body_above_the_limit_is_not_read() -> None:
    stream = io.BytesIO(b"x" * 11)

    with pytest.raises(InvalidInput):
        read_body({"CONTENT_LENGTH": "11", "wsgi.input": stream}, limit=10)

    assert stream.tell() == 0


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (InvalidInput("bad"), 400, {"error": "bad"}),
        (NotAllowed("no"), 403, {"error": "no"}),
        (NotAllowed("who", code="unauthorized"), 401, {"error": "who"}),
        (NotFound("gone"), 404, {"error": "gone"}),
        (Conflict("twice"), 409, {"error": "twice"}),
        (
            NotAllowed("later", code="ingest_suspended"),
            429,
            {"error": "ingest_suspended", "message": "later"},
        ),
        (RateLimited("slow", retry_after_seconds=2.1), 429, {"error": "slow"}),
        (
            DatabaseUnavailable("host db.internal refused"),
            503,
            {"error": "Service temporarily unavailable"},
        ),
        (HogsendError("inner detail"), 500, {"error": "Internal Server Error"}),
        (falcon.HTTPBadRequest(description="bad header"), 400, {"error": "bad header"}),
    ],
)
def test_error_families_have_one_envelope(
    error: Exception, status: int, body: dict[str, str]
) -> None:
    def fail(req: Request, resp: Response) -> None:
        raise error

    client = falcon.testing.TestClient(build_app([Route(method="GET", path="/fail", handler=fail)]))

    result = client.simulate_get("/fail")

    assert result.status_code == status
    assert result.json == body
    assert result.headers["content-type"] == "application/json"
    if status == 503:
        assert result.headers["retry-after"] == "1"
    if isinstance(error, RateLimited):
        assert result.headers["retry-after"] == "3"
