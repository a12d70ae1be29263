from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from hogsend.db import Database, Query
from hogsend.groups import api as groups_api
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration


@pytest.fixture
def plane(database: Database) -> DataPlane:
    served = DataPlane(database)
    served.serve(groups_api.routes(groups_api.GroupsApi(db=database), served.guards))
    return served


def add_contact(plane: DataPlane, external_id: str) -> str:
    rows = plane.db.run(
        Query(
            "t",
            "INSERT INTO contacts (external_id, email) VALUES ($1, $1 || '@example.com') "
            "RETURNING id",
            ("external_id",),
        ),
        external_id=external_id,
    )
    return str(rows[0][0])


def name(plane: DataPlane, key: str, **more: Any) -> dict[str, Any]:
    status, answer = plane.call(
        "POST", "/v1/groups", {"groupType": "company", "groupKey": key, **more}
    )
    assert status == 200
    group: dict[str, Any] = answer["group"]
    return group


def test_group_is_made_and_then_patched(plane: DataPlane) -> None:
    made = name(plane, "acme", displayName="Acme", properties={"plan": "free", "seats": 3})

    patched = name(plane, "acme", properties={"plan": "team", "seats": None})

    assert UUID(made["id"])
    assert made["properties"] == {"plan": "free", "seats": 3}
    assert patched["id"] == made["id"]
    assert patched["displayName"] == "Acme"
    assert patched["properties"] == {"plan": "team"}
    assert patched["createdAt"] == made["createdAt"]


def test_group_name_with_a_slash_is_one_segment(plane: DataPlane) -> None:
    name(plane, "a/b")

    status, answer = plane.call("GET", "/v1/groups/company/a%2Fb")

    assert (status, answer["group"]["groupKey"]) == (200, "a/b")


def test_unknown_group_is_404(plane: DataPlane) -> None:
    expected = (404, {"error": "Unknown group: company/nope"})

    assert plane.call("GET", "/v1/groups/company/nope") == expected
    assert plane.call("GET", "/v1/groups/company/nope/members") == expected


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({}, ["c", "b", "a"]),
        ({"limit": "2"}, ["c", "b"]),
        ({"limit": "2", "offset": "2"}, ["a"]),
        ({"limit": "0"}, ["c", "b", "a"]),
        ({"limit": "-1"}, ["c", "b", "a"]),
        ({"limit": "many", "offset": "-3"}, ["c", "b", "a"]),
        ({"limit": "1e999", "offset": "nan"}, ["c", "b", "a"]),
        ({"limit": "100000", "offset": "99999999999999999999"}, []),
        ({"groupType": "team"}, []),
    ],
)
def test_groups_page_as_the_contract_says(
    plane: DataPlane, query: dict[str, str], keys: list[str]
) -> None:
    for key in ("a", "b", "c"):
        name(plane, key)

    status, answer = plane.call("GET", "/v1/groups", query=query)

    assert status == 200
    assert [group["groupKey"] for group in answer["groups"]] == keys


def test_member_joins_once_and_the_group_is_made_with_it(plane: DataPlane) -> None:
    contact = add_contact(plane, "u1")

    first = plane.call("POST", "/v1/groups/company/acme/members", {"contactId": contact})
    second = plane.call(
        "POST", "/v1/groups/company/acme/members", {"contactId": contact, "role": "owner"}
    )
    listed = plane.call("GET", "/v1/groups/company/acme/members")[1]["members"]

    assert (first[0], first[1]["created"], first[1]["membership"]["role"]) == (200, True, None)
    assert (second[0], second[1]["created"]) == (200, False)
    assert second[1]["membership"]["id"] == first[1]["membership"]["id"]
    assert [(m["contactId"], m["email"], m["externalId"], m["role"]) for m in listed] == [
        (contact, "u1@example.com", "u1", "owner")
    ]


def test_member_without_contact_is_404_and_leaves_no_group(plane: DataPlane) -> None:
    nobody = str(uuid4())

    answer = plane.call("POST", "/v1/groups/company/acme/members", {"contactId": nobody})

    assert answer == (404, {"error": f"Contact not found: {nobody}"})
    assert plane.call("GET", "/v1/groups")[1] == {"groups": []}


def test_member_leaves_once(plane: DataPlane) -> None:
    contact = add_contact(plane, "u1")
    path = f"/v1/groups/company/acme/members/{contact}"
    plane.call("POST", "/v1/groups/company/acme/members", {"contactId": contact})

    assert plane.call("DELETE", path) == (200, {"removed": True})
    assert plane.call("DELETE", path) == (200, {"removed": False})
    assert plane.call("DELETE", "/v1/groups/company/acme/members/x")[0] == 404


def test_publishable_key_may_not_touch_groups(plane: DataPlane) -> None:
    assert plane.call("GET", "/v1/groups", key=plane.public)[0] == 403
    assert plane.call("POST", "/v1/groups", {}, key=plane.public)[0] == 403


def test_memberships_follow_a_merged_person(plane: DataPlane) -> None:
    survivor, loser = add_contact(plane, "u1"), add_contact(plane, "u2")
    for key, contact in (("both", survivor), ("both", loser), ("one", loser)):
        plane.call("POST", f"/v1/groups/company/{key}/members", {"contactId": contact})

    plane.db.run(
        Query(
            "t",
            "SELECT hogsend.on_merge_groups_v1(CAST($1 AS uuid), CAST($2 AS uuid))",
            ("survivor", "loser"),
        ),
        survivor=survivor,
        loser=loser,
    )

    for key in ("both", "one"):
        members = plane.call("GET", f"/v1/groups/company/{key}/members")[1]["members"]
        assert [member["contactId"] for member in members] == [survivor]
