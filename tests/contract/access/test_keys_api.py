from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hogsend.access import keys_api
from hogsend.db import Database
from hogsend.kernel.wire_json import iso_z
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration

PATH = "/v1/admin/api-keys"


@pytest.fixture
def plane(database: Database) -> DataPlane:
    served = DataPlane(database)
    api = keys_api.KeysApi(db=database, clock=served.clock)
    served.serve(keys_api.routes(api, served.guards.admin()))
    return served


def make(plane: DataPlane, **body: Any) -> tuple[int, Any]:
    return plane.call("POST", PATH, {"name": "k"} | body, key=plane.admin)


def test_key_is_made_shown_once_and_works_until_it_is_revoked(plane: DataPlane) -> None:
    status, made = make(plane, scopes=["full-admin"])

    as_new = plane.call("GET", f"{PATH}/self", key=made["key"])
    listed = plane.request("GET", PATH, key=plane.admin)
    revoked = plane.call("DELETE", f"{PATH}/{made['id']}", key=plane.admin)
    again = plane.call("DELETE", f"{PATH}/{made['id']}", key=plane.admin)

    assert status == 201
    assert made["key"].startswith(made["keyPrefix"])
    assert as_new == (
        200,
        {"actor": "api-key", "id": made["id"], "name": "k", "scopes": ["full-admin"]},
    )
    assert made["key"] not in listed.text
    assert revoked == (200, {"revoked": True})
    assert again == (404, {"error": "API key not found"})
    assert plane.call("GET", f"{PATH}/self", key=made["key"])[0] == 401


def test_list_pages_and_hides_revoked_keys(plane: DataPlane) -> None:
    _, made = make(plane)
    plane.call("DELETE", f"{PATH}/{made['id']}", key=plane.admin)

    _, live = plane.call("GET", PATH, key=plane.admin)
    _, everything = plane.call("GET", PATH, key=plane.admin, query={"includeRevoked": "true"})
    _, page = plane.call("GET", PATH, key=plane.admin, query={"limit": "1", "offset": "1"})
    _, beyond = plane.call("GET", PATH, key=plane.admin, query={"offset": "99"})

    assert (live["total"], everything["total"]) == (4, 5)
    assert everything["keys"][0]["revokedAt"] is not None
    assert [len(page["keys"]), page["total"], page["limit"], page["offset"]] == [1, 4, 1, 1]
    assert (beyond["keys"], beyond["total"]) == ([], 4)


def test_publishable_key_needs_origins_and_gets_one_scope(plane: DataPlane) -> None:
    refused = make(plane, publishable=True)
    nonsense = make(plane, publishable=True, allowedOrigins=["example.com"])
    status, made = make(
        plane, publishable=True, scopes=["full-admin"], allowedOrigins=["https://a.example/x"]
    )

    assert (refused[0], nonsense[0], status) == (400, 400, 201)
    assert made["key"].startswith("pk_")
    assert made["scopes"] == ["ingest-public"]
    assert made["allowedOrigins"] == ["https://a.example"]


def test_expiry_is_honoured_and_never_in_the_past(plane: DataPlane) -> None:
    now = plane.clock.now()
    past = make(plane, expiresAt=iso_z(now))
    _, made = make(plane, scopes=["full-admin"], expiresAt=iso_z(now + timedelta(hours=1)))

    before = plane.call("GET", f"{PATH}/self", key=made["key"])[0]
    plane.clock.advance(timedelta(hours=1))
    after = plane.call("GET", f"{PATH}/self", key=made["key"])

    assert past == (400, {"error": "expiresAt is in the past"})
    assert before == 200
    assert after == (401, {"error": "API key expired"})


@pytest.mark.parametrize(
    "body",
    [{"name": ""}, {"name": "x" * 101}, {"scopes": []}, {"scopes": ["root"]}, {"expiresAt": "x"}],
)
def test_key_that_makes_no_sense_is_refused(plane: DataPlane, body: dict[str, Any]) -> None:
    assert make(plane, **body)[0] == 400


def test_keys_are_for_operators_only(plane: DataPlane) -> None:
    for key in (plane.secret, plane.read_only, plane.public):
        assert plane.call("GET", PATH, key=key)[0] == 403
        assert plane.call("POST", PATH, {"name": "k"}, key=key)[0] == 403
    assert plane.call("DELETE", f"{PATH}/nonsense", key=plane.admin)[0] == 404
