"""Export and erasure over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from hogsend.contacts.refusals import RefusalHasher
from hogsend.db import Query
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration

FORBIDDEN = (403, {"error": "Forbidden: insufficient scope"})
NOT_FOUND = (404, {"error": "Contact not found"})


@pytest.fixture
def person(plane: DataPlane) -> str:
    _, made = plane.call("PUT", "/v1/contacts", {"userId": "u", "email": "e@x.co"})
    found: str = made["id"]
    return found


def erase(plane: DataPlane, body: dict[str, Any], *, key: str | None = None) -> tuple[int, Any]:
    token = plane.admin if key is None else key
    return plane.call("DELETE", "/v1/contacts", body, key=token, query={"erase": "true"})


def test_export_answers_whole_rows_by_table(plane: DataPlane, person: str) -> None:
    status, answer = plane.call("GET", f"/v1/contacts/{person}/export", key=plane.admin)

    assert status == 200
    assert (answer["contactId"], answer["exportedAt"]) == (person, "2026-01-01T00:00:00.000Z")
    assert [row["email"] for row in answer["data"]["contacts"]] == ["e@x.co"]
    assert len(answer["data"]["contact_aliases"]) == 2


@pytest.mark.parametrize("name", ["u", "00000000-0000-0000-0000-000000000000"])
def test_export_of_nobody_is_not_found(plane: DataPlane, person: str, name: str) -> None:
    assert plane.call("GET", f"/v1/contacts/{name}/export", key=plane.admin) == NOT_FOUND


def test_export_and_erasure_need_the_highest_scope(plane: DataPlane, person: str) -> None:
    assert plane.call("GET", f"/v1/contacts/{person}/export") == FORBIDDEN
    assert erase(plane, {"userId": "u"}, key=plane.secret) == FORBIDDEN
    assert plane.call("GET", "/v1/contacts/find", query={"userId": "u"})[1]["contacts"] != []


def test_erasure_answers_a_certificate_and_leaves_nothing(
    plane: DataPlane, person: str, hasher: RefusalHasher
) -> None:
    plane.db.run(
        Query("t", "INSERT INTO email_suppressions (email, reason, suppressed_at)"
              " VALUES ('e@x.co', 'bounce', now())")
    )  # fmt: skip

    status, answer = erase(plane, {"userId": "u"})

    assert status == 200
    (certificate,) = answer["certificates"]
    assert answer["deleted"] is True
    assert certificate["contactId"] == person
    assert certificate["removed"]["contacts"] == 1
    assert certificate["refusalsKept"] == 1
    token = certificate.pop("token")
    assert plane.signer.open(token) == certificate
    assert plane.db.run(Query("t", "SELECT 1 FROM contacts")) == []
    assert hasher.find(plane.db, "e@x.co") == {"suppressed"}
    assert erase(plane, {"userId": "u"}) == NOT_FOUND


def test_erasure_reaches_somebody_deleted_before(plane: DataPlane, person: str) -> None:
    plane.call("DELETE", "/v1/contacts", {"userId": "u"})

    status, answer = erase(plane, {"email": "e@x.co"})

    assert status == 200
    assert [one["contactId"] for one in answer["certificates"]] == [person]
    assert plane.db.run(Query("t", "SELECT 1 FROM contacts")) == []


def test_erasure_of_somebody_deleted_reaches_who_was_merged_into_them(
    plane: DataPlane, person: str
) -> None:
    plane.call("PUT", "/v1/contacts", {"email": "old@x.co"})
    plane.call("PUT", "/v1/contacts", {"userId": "u", "email": "old@x.co"})
    plane.call("DELETE", "/v1/contacts", {"userId": "u"})

    status, answer = erase(plane, {"email": "old@x.co"})

    assert status == 200
    assert [one["contactId"] for one in answer["certificates"]] == [person]
    assert plane.db.run(Query("t", "SELECT 1 FROM contacts")) == []


@pytest.mark.parametrize("value", ["yes please", ""])
def test_erase_that_is_no_boolean_is_refused(plane: DataPlane, person: str, value: str) -> None:
    status, _ = plane.call(
        "DELETE", "/v1/contacts", {"userId": "u"}, key=plane.admin, query={"erase": value}
    )

    assert status == 400
    assert plane.call("GET", "/v1/contacts/find", query={"userId": "u"})[1]["contacts"] != []
