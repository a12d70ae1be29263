from __future__ import annotations

import gzip
import uuid

import falcon.testing
import pytest
from structlog.testing import capture_logs

from hogsend.web.app import WebOptions, build_app
from hogsend.web.edge import ACCESS_LOG_EVENT, SECURITY_HEADERS
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

LONG = "x" * 2000


def ok(req: Request, resp: Response) -> None:
    resp.json({"ok": True})


def long(req: Request, resp: Response) -> None:
    resp.json({"text": LONG})


def pixel(req: Request, resp: Response) -> None:
    resp.data = b"GIF" + b"x" * 2000
    resp.content_type = "image/gif"
    resp.set_header("Cross-Origin-Resource-Policy", "cross-origin")


def boom(req: Request, resp: Response) -> None:
    raise RuntimeError("secret detail")


ROUTES = [
    Route(method="GET", path="/ok", handler=ok),
    Route(method="GET", path="/long", handler=long),
    Route(method="GET", path="/pixel", handler=pixel),
    Route(method="GET", path="/boom", handler=boom),
    Route(method="GET", path="/v1/health", handler=ok),
]


@pytest.fixture
def client() -> falcon.testing.TestClient:
    return falcon.testing.TestClient(build_app(ROUTES, options=WebOptions(is_access_logged=True)))


@pytest.mark.parametrize("path", ["/ok", "/nowhere", "/boom"])
def test_every_answer_has_security_headers_and_request_id(
    client: falcon.testing.TestClient, path: str
) -> None:
    result = client.simulate_get(path)

    assert {name: result.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert uuid.UUID(result.headers["x-request-id"]).version == 4
    assert "access-control-allow-origin" not in result.headers


def test_resource_policy_of_a_route_is_kept(client: falcon.testing.TestClient) -> None:
    result = client.simulate_get("/pixel")

    assert result.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-DEF_1", True), ("a" * 255, True), ("a" * 256, False), ("a b", False), ("a\n", False)],
)
def test_request_id_wellformed_is_echoed(
    client: falcon.testing.TestClient, given: str, is_kept: bool
) -> None:
    result = client.simulate_get("/ok", headers={"X-Request-Id": given})

    assert (result.headers["x-request-id"] == given) is is_kept


def test_preflight_on_any_path_answers_without_guard(client: falcon.testing.TestClient) -> None:
    result = client.simulate_options(
        "/nowhere",
        headers={
            "Origin": "https://app.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )

    assert result.status_code == 204
    assert result.headers["access-control-allow-origin"] == "https://app.example.com"
    assert result.headers["access-control-allow-methods"] == "GET,HEAD,PUT,POST,DELETE,PATCH"
    assert result.headers["access-control-allow-headers"] == "authorization,content-type"
    assert result.headers["vary"] == "Access-Control-Request-Headers, Origin"
    assert "access-control-allow-credentials" not in result.headers
    assert "x-request-id" not in result.headers


def test_origin_is_reflected(client: falcon.testing.TestClient) -> None:
    result = client.simulate_get("/ok", headers={"Origin": "https://a.example"})

    assert result.headers["access-control-allow-origin"] == "https://a.example"
    assert "Origin" in result.headers["vary"]


@pytest.mark.parametrize(
    ("path", "accept", "encoding"),
    [
        ("/long", "gzip, deflate", "gzip"),
        ("/long", "deflate", "deflate"),
        ("/long", "gzip;q=0, deflate", "deflate"),
        ("/long", "br", None),
        ("/ok", "gzip", None),
        ("/pixel", "gzip", None),
    ],
)
def test_compression_follows_accept_encoding_type_and_size(
    client: falcon.testing.TestClient, path: str, accept: str, encoding: str | None
) -> None:
    result = client.simulate_get(path, headers={"Accept-Encoding": accept})

    assert result.headers.get("content-encoding") == encoding
    if encoding == "gzip":
        assert LONG.encode() in gzip.decompress(result.content)


def test_unexpected_error_shows_no_internals_and_is_logged_with_request_id(
    client: falcon.testing.TestClient,
) -> None:
    with capture_logs() as logs:
        result = client.simulate_get("/boom", headers={"X-Request-Id": "r1"})

    assert result.status_code == 500
    assert result.json == {"error": "Internal Server Error"}
    failed = [entry for entry in logs if entry["event"] == "request.failed"]
    assert failed[0]["request_id"] == "r1"
    assert isinstance(failed[0]["exc_info"], RuntimeError)


def test_access_log_has_one_line_per_request_without_health(
    client: falcon.testing.TestClient,
) -> None:
    with capture_logs() as logs:
        client.simulate_get("/ok", query_string="token=secret", headers={"X-Request-Id": "r2"})
        client.simulate_get("/v1/health")

    lines = [entry for entry in logs if entry["event"] == ACCESS_LOG_EVENT]
    assert ACCESS_LOG_EVENT == "request"
    assert [(e["method"], e["path"], e["status"], e["requestId"]) for e in lines] == [
        ("GET", "/ok", 200, "r2")
    ]
