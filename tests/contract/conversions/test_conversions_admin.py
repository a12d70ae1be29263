from __future__ import annotations

from datetime import timedelta
from typing import Any

import falcon.testing
import pytest

from hogsend.conversions import admin
from hogsend.db import Database, Query
from hogsend.kernel.ids import uuid7
from tests.contract.data_plane import START, DataPlane
from tests.contract.openapi.conftest import build, serve

pytestmark = pytest.mark.integration

_INSERT = Query.parse(
    "t",
    "INSERT INTO conversions (id, definition_id, contact_id, user_key, event_id, value, currency,"
    " occurred_at) VALUES (:id, :definition, CAST(:contact AS uuid), 'u', gen_random_uuid(),"
    " CAST(:value AS numeric), CASE WHEN CAST(:value AS numeric) IS NOT NULL THEN 'EUR' END,"
    " CAST(:at AS timestamptz))",
)
_PERSON = Query.parse(
    "t",
    "INSERT INTO contacts (id, email, deleted_at)"
    " VALUES (:id, :email, CASE WHEN :gone THEN now() END)",
)


@pytest.fixture
def served(database: Database) -> DataPlane:
    plane = DataPlane(database)
    api = admin.ConversionsAdmin(db=database, clock=plane.clock, ids=["revenue", "lead"])
    plane.serve(admin.routes(api, plane.guards.admin()))
    ada, gone = uuid7(), uuid7()
    database.run(_PERSON, id=ada, email="ada@x.co", gone=False)
    database.run(_PERSON, id=gone, email="gone@x.co", gone=True)
    for days, definition, contact, value in (
        (1, "revenue", ada, "12.50"),
        (2, "old", gone, None),
        (29, "revenue", ada, "700"),
        (31, "revenue", ada, "3"),
    ):
        database.run(
            _INSERT,
            id=uuid7(),
            definition=definition,
            contact=contact,
            value=value,
            at=START - timedelta(days=days),
        )
    return plane


def found(plane: DataPlane, **query: str) -> list[dict[str, Any]]:
    status, answer = plane.call("GET", admin.LIST_PATH, key=plane.admin, query=query)
    assert status == 200
    rows: list[dict[str, Any]] = answer["conversions"]
    return rows


def test_list_shows_conversions_newest_first_in_the_shape_of_the_contract(
    served: DataPlane,
) -> None:
    first, second, *_ = found(served)

    assert first | {"id": "", "contactId": ""} == {
        "id": "", "definitionId": "revenue", "contactId": "", "contactEmail": "ada@x.co",
        "value": 12.5, "currency": "EUR", "scopeJourneyId": None, "scopeCampaignId": None,
        "occurredAt": "2025-12-31T00:00:00.000Z", "dispatches": [],
    }  # fmt: skip
    assert (second["contactEmail"], second["value"], second["currency"]) == (None, None, None)


@pytest.mark.parametrize(
    ("sort", "direction", "values"),
    [
        ("occurredAt", "desc", [12.5, None, 700, 3]),
        ("occurredAt", "asc", [3, 700, None, 12.5]),
        ("value", "desc", [700, 12.5, 3, None]),
        ("value", "asc", [3, 12.5, 700, None]),
        ("definitionId", "asc", [None, 12.5, 700, 3]),
        ("definitionId", "desc", [12.5, 700, 3, None]),
    ],
)
def test_list_is_sorted_as_asked(
    served: DataPlane, sort: str, direction: str, values: list[float | None]
) -> None:
    assert [row["value"] for row in found(served, sort=sort, dir=direction)] == values


def test_list_is_filtered_and_paged(served: DataPlane) -> None:
    assert [row["value"] for row in found(served, definitionId="revenue")] == [12.5, 700, 3]
    assert [row["value"] for row in found(served, limit="1", offset="2")] == [700]
    assert found(served, definitionId="nothing") == []


@pytest.mark.parametrize(
    "query", [{"journeyId": "j"}, {"campaignId": "c"}, {"dispatchStatus": "failed"}]
)
def test_filter_by_what_no_conversion_has_finds_nothing(
    served: DataPlane, query: dict[str, str]
) -> None:
    assert found(served, **query) == []


@pytest.mark.parametrize(
    "query", [{"limit": "201"}, {"sort": "id"}, {"dir": "up"}, {"dispatchStatus": "sent"}]
)
def test_list_refuses_what_it_does_not_know(served: DataPlane, query: dict[str, str]) -> None:
    assert served.call("GET", admin.LIST_PATH, key=served.admin, query=query)[0] == 400


def test_stats_count_definitions_in_force_and_those_that_are_gone(served: DataPlane) -> None:
    status, answer = served.call("GET", admin.STATS_PATH, key=served.admin)

    assert status == 200
    assert answer == {
        "definitions": [
            {"definitionId": "revenue", "count30d": 2, "countLifetime": 3,
             "lastFiredAt": "2025-12-31T00:00:00.000Z"},
            {"definitionId": "lead", "count30d": 0, "countLifetime": 0, "lastFiredAt": None},
            {"definitionId": "old", "count30d": 1, "countLifetime": 1,
             "lastFiredAt": "2025-12-30T00:00:00.000Z"},
        ],
        "destinations": [],
    }  # fmt: skip


@pytest.mark.parametrize("path", [admin.LIST_PATH, admin.STATS_PATH])
def test_conversions_are_for_operators(served: DataPlane, path: str) -> None:
    assert served.call("GET", path)[0] == 403
    assert served.call("GET", path, key="")[0] == 401


@pytest.mark.parametrize("batch", ["true", "false"])
def test_api_records_and_shows_revenue(dsn: str, redis_url: str, batch: str) -> None:
    master = {"Authorization": "Bearer master-" + "k" * 32}
    container = build(dsn, redis_url, HOGSEND_INGEST_BATCH=batch)
    try:
        client = falcon.testing.TestClient(serve(container))
        order = {"name": "order.paid", "userId": "u1", "value": 42, "currency": "eur"}
        events = [order, order | {"value": 8}, {"name": "seen", "userId": "u1"}]

        sent = client.simulate_post("/v1/events", json=order, headers=master)
        many = client.simulate_post("/v1/events/batch", json=events, headers=master)
        listed = client.simulate_get(admin.LIST_PATH, headers=master)
        stats = client.simulate_get(admin.STATS_PATH, headers=master)

        assert (sent.status_code, many.status_code) == (202, 202)
        assert sorted((c["value"], c["currency"]) for c in listed.json["conversions"]) == [
            (8, "EUR"), (42, "EUR"), (42, "EUR"),
        ]  # fmt: skip
        assert [d["countLifetime"] for d in stats.json["definitions"]] == [3]
    finally:
        container.close()


def test_api_without_the_built_in_conversion_records_none(dsn: str, redis_url: str) -> None:
    master = {"Authorization": "Bearer master-" + "k" * 32}
    container = build(dsn, redis_url, HOGSEND_DEFAULT_REVENUE_CONVERSION="false")
    try:
        client = falcon.testing.TestClient(serve(container))
        client.simulate_post(
            "/v1/events", json={"name": "order.paid", "userId": "u1", "value": 42}, headers=master
        )

        stats = client.simulate_get(admin.STATS_PATH, headers=master)

        assert stats.json == {"definitions": [], "destinations": []}
    finally:
        container.close()
