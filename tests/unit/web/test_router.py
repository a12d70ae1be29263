from __future__ import annotations

from typing import Any

import falcon.testing
import pytest

from hogsend.errors import NotAllowed
from hogsend.web.app import build_app
from hogsend.web.http import Request, Response
from hogsend.web.route import PrefixGuard, Route


def echo(req: Request, resp: Response, **params: str) -> None:
    resp.json({"params": params, "template": req.uri_template})


def literal(req: Request, resp: Response, type: str) -> None:
    resp.json({"literal": True})


def deny(req: Request) -> None:
    raise NotAllowed("Unauthorized", code="unauthorized")


@pytest.fixture
def client() -> falcon.testing.TestClient:
    routes = [
        Route(method="GET", path="/v1/groups/{type}/{key}", handler=echo),
        Route(method="GET", path="/v1/groups/{type}/members", handler=literal),
        Route(method="POST", path="/v1/groups", handler=echo),
        Route(method="POST", path="/v1/emails", handler=echo, guard=deny),
    ]
    return falcon.testing.TestClient(
        build_app(routes, prefix_guards=[PrefixGuard(prefix="/v1/admin/", guard=deny)])
    )


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/groups/company/acme", {"type": "company", "key": "acme"}),
        ("/v1/groups/company/a%2Fb", {"type": "company", "key": "a/b"}),
        ("/v1/groups/company/a%252Fb", {"type": "company", "key": "a%2Fb"}),
        ("/v1/groups/company/%C3%A9", {"type": "company", "key": "é"}),
        ("/v1/groups/company/a+b", {"type": "company", "key": "a+b"}),
    ],
)
def test_parameters_percent_encoded_are_decoded_once(
    client: falcon.testing.TestClient, path: str, params: dict[str, str]
) -> None:
    result = client.simulate_get(path)

    assert result.status_code == 200
    assert result.json["params"] == params


def test_literal_segment_beats_parameter(client: falcon.testing.TestClient) -> None:
    assert client.simulate_get("/v1/groups/company/members").json == {"literal": True}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("GET", "/v1/groups"),
        ("POST", "/v1/groups/"),
        ("DELETE", "/v1/groups/company/acme"),
        ("GET", "/v1/groups//acme"),
        ("TRACE", "/v1/groups"),
    ],
)
def test_unknown_path_or_method_answers_not_found(
    client: falcon.testing.TestClient, method: str, path: str
) -> None:
    result = client.simulate_request(method, path)

    assert result.status_code == 404
    assert result.json == {"error": "Not Found"}
    assert "allow" not in result.headers


@pytest.mark.parametrize("path", ["/v1/emails", "/v1/admin/nothing"])
def test_unknown_method_behind_a_guard_is_guarded_first(
    client: falcon.testing.TestClient, path: str
) -> None:
    result = client.simulate_get(path)

    assert result.status_code == 401
    assert result.json == {"error": "Unauthorized"}


def test_head_answers_like_get_without_body(client: falcon.testing.TestClient) -> None:
    result = client.simulate_head("/v1/groups/company/acme")

    assert result.status_code == 200
    assert result.content == b""


def test_route_declared_twice_is_refused() -> None:
    twice: list[Any] = [Route(method="GET", path="/a", handler=echo)] * 2

    with pytest.raises(ValueError, match="declared twice"):
        build_app(twice)
