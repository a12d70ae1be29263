from __future__ import annotations

from typing import Any

import pytest

from hogsend.contacts import admin
from hogsend.db import Database, Query
from hogsend.kernel.ids import uuid7
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration


@pytest.fixture
def served(database: Database) -> DataPlane:
    plane = DataPlane(database)
    plane.serve(admin.routes(admin.ContactsAdmin(db=database), plane.guards.admin()))
    people = [
        ("u_1", "ada@x.co", None, False), ("uX1", "bob@x.co", None, False),
        (None, None, "visitor-7", False), ("gone", "gone@x.co", None, True),
    ]  # fmt: skip
    insert = Query.parse(
        "t",
        "INSERT INTO contacts (id, external_id, email, anonymous_id, last_seen_at, deleted_at)"
        " VALUES (:id, :user, :email, :anonymous, now() - make_interval(mins => :age),"
        " CASE WHEN :gone THEN now() END)",
    )
    for age, (user, email, anonymous, gone) in enumerate(people):
        database.run(
            insert, id=uuid7(), user=user, email=email, anonymous=anonymous, age=age, gone=gone
        )
    return plane


def names(plane: DataPlane, **query: str) -> tuple[list[Any], int]:
    status, answer = plane.call("GET", admin.PATH, key=plane.admin, query=query)
    assert status == 200
    return [c["externalId"] or c["anonymousId"] for c in answer["contacts"]], answer["total"]


def test_list_pages_the_living_last_seen_first(served: DataPlane) -> None:
    assert names(served) == (["u_1", "uX1", "visitor-7"], 3)
    assert names(served, limit="1", offset="1") == (["uX1"], 3)
    assert names(served, offset="9") == ([], 3)


def test_search_takes_its_text_literally_and_ignores_case(served: DataPlane) -> None:
    assert names(served, search="U_1") == (["u_1"], 1)
    assert names(served, search="BOB@") == (["uX1"], 1)
    assert names(served, search="itor") == (["visitor-7"], 1)
    assert names(served, search="%") == ([], 0)


def test_identity_tells_people_from_visitors(served: DataPlane) -> None:
    assert names(served, identity="identified") == (["u_1", "uX1"], 2)
    assert names(served, identity="anonymous") == (["visitor-7"], 1)


def test_list_is_for_operators(served: DataPlane) -> None:
    assert served.call("GET", admin.PATH)[0] == 403
    assert served.call("GET", admin.PATH, key="")[0] == 401
