from __future__ import annotations

from typing import Any

import pytest

from hogsend.db import Database, Query
from hogsend.events import api as events_api
from hogsend.events.ingest import Ingest
from hogsend.events.matching import Matches
from hogsend.events.models import NewEvent
from hogsend.kernel.ids import uuid7
from hogsend.preferences.contact_lists import ContactLists
from hogsend.preferences.lists import ListRegistry, define_list
from hogsend.preferences.write import PreferenceWriter
from tests.contract.data_plane import DataPlane

pytestmark = pytest.mark.integration

BASE: dict[str, Any] = {
    "name": "order.paid",
    "userId": "u1",
    "eventProperties": {"total": 10, "items": [1, {"a": None}]},
    "value": 9.995,
    "currency": "eur",
    "groups": {"company": "acme"},
    "timestamp": "2026-01-01T10:00:00.123456Z",
    "idempotencyKey": "order-1",
}


class Nothing:
    """No journeys and nobody to wake."""

    def match(self, event: str, properties: object) -> Matches:
        return Matches(starts=(), exits=())

    def poke(self) -> None:
        pass


@pytest.fixture
def ingest(database: Database) -> Ingest:
    return Ingest(db=database, matcher=Nothing(), nudge=Nothing(), new_id=uuid7)


@pytest.fixture
def plane(database: Database, ingest: Ingest) -> DataPlane:
    served = DataPlane(database)
    registry = ListRegistry([define_list("digest", name="Digest")])
    api = events_api.EventsApi(
        sink=ingest,
        bulk=ingest,
        signer=served.signer,
        clock=served.clock,
        lists=ContactLists(database, registry, PreferenceWriter(database)),
    )
    served.serve(events_api.routes(api, served.guards))
    return served


def events(db: Database) -> int:
    count: int = db.run(Query("t", "SELECT count(*) FROM user_events"))[0][0]
    return count


def test_repetition_is_accepted_and_stored_once(plane: DataPlane) -> None:
    first = plane.call("POST", "/v1/events", BASE)
    second = plane.call("POST", "/v1/events", BASE)
    without_time = plane.call(
        "POST", "/v1/events", {k: v for k, v in BASE.items() if k != "timestamp"}
    )

    assert (first[0], first[1]["stored"]) == (202, True)
    assert (second[0], second[1]["stored"]) == (202, False)
    assert (without_time[0], without_time[1]["stored"]) == (202, False)
    assert events(plane.db) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": "order.refunded"}, "name"),
        ({"userId": "u2"}, "userId, email or anonymousId"),
        ({"eventProperties": {"total": 11}}, "eventProperties"),
        ({"eventProperties": {}}, "eventProperties"),
        ({"value": 1}, "value"),
        ({"value": None}, "value, currency"),
        ({"currency": "usd"}, "currency"),
        ({"groups": {"company": "other"}}, "groups"),
        ({"timestamp": "2026-01-01T10:00:01Z"}, "timestamp"),
        ({"name": "x", "value": 3}, "name, value"),
    ],
)
def test_other_event_under_the_same_key_is_refused_by_name(
    plane: DataPlane, change: dict[str, Any], named: str
) -> None:
    plane.call("POST", "/v1/events", BASE)

    result = plane.request("POST", "/v1/events", BASE | change)

    assert result.status_code == 409
    assert result.json == {
        "error": f"The idempotency key was used for another event; different: {named}"
    }
    assert result.headers["x-error-code"] == "idempotency_key_reused"


def test_refused_event_leaves_no_trace(plane: DataPlane) -> None:
    plane.call("POST", "/v1/events", BASE)

    plane.call(
        "POST",
        "/v1/events",
        BASE | {"userId": "u2", "contactProperties": {"plan": "x"}},
    )
    plane.call("POST", "/v1/events", BASE | {"name": "n", "contactProperties": {"plan": "x"}})

    rows = plane.db.run(Query("t", "SELECT external_id, properties FROM contacts"))
    assert rows == [("u1", {})]


def test_batch_refuses_only_the_element_that_differs(plane: DataPlane) -> None:
    plane.call("POST", "/v1/events", BASE)

    status, answer = plane.call(
        "POST",
        "/v1/events/batch",
        [BASE, BASE | {"name": "other"}, {"name": "fresh", "userId": "u1"}],
    )

    assert status == 207
    assert [result["status"] for result in answer["results"]] == [202, 409, 202]
    assert [result.get("stored") for result in answer["results"]] == [False, None, True]
    assert answer["results"][1]["error"].endswith("different: name")
    assert events(plane.db) == 2


def test_keys_of_browsers_servers_and_the_engine_never_meet(
    plane: DataPlane, ingest: Ingest
) -> None:
    proof = {"userToken": plane.user_token("u1")}
    from_page = plane.call("POST", "/v1/events", BASE | proof, key=plane.public)
    from_server = plane.call("POST", "/v1/events", BASE | {"name": "another"})
    claimed = [
        plane.call("POST", "/v1/events", BASE | proof | {"idempotencyKey": key}, key=plane.public)
        for key in ("sem:1:clicked", "api:order-2", "journeyTrigger:x")
    ]

    engine = ingest.ingest(
        NewEvent(name="clicked", external_id="u1", idempotency_key="sem:1:clicked")
    )
    server = plane.call("POST", "/v1/events", BASE | {"idempotencyKey": "order-2"})

    assert [from_page[1]["stored"], from_server[1]["stored"]] == [True, True]
    assert all(answer[1]["stored"] for answer in claimed)
    assert engine.stored
    assert server[1]["stored"]


def test_engine_may_repeat_its_own_events_with_fresher_properties(ingest: Ingest) -> None:
    first = ingest.ingest(NewEvent(name="a", external_id="u1", idempotency_key="bucket:1"))

    again = ingest.ingest(
        NewEvent(name="a", external_id="u1", idempotency_key="bucket:1", properties={"n": 2})
    )

    assert not again.stored
    assert again.event_id == first.event_id


def test_header_wins_over_the_field(plane: DataPlane) -> None:
    plane.call("POST", "/v1/events", BASE, headers={"Idempotency-Key": "h"})

    again = plane.call(
        "POST", "/v1/events", BASE | {"idempotencyKey": "z"}, headers={"Idempotency-Key": "h"}
    )

    assert again[1]["stored"] is False


def test_lists_of_an_event_are_joined_or_explained(plane: DataPlane) -> None:
    person = {"userId": "u1", "email": "a@b.example", "name": "x"}

    joined = plane.call("POST", "/v1/events", person | {"lists": {"digest": False}})
    unknown = plane.call("POST", "/v1/events", person | {"lists": {"nope": True}})
    nameless = plane.call(
        "POST", "/v1/events", {"userId": "u9", "name": "x", "lists": {"digest": True}}
    )

    assert "listsError" not in joined[1]
    assert unknown[1]["listsError"] == "Unknown list: nope"
    assert nameless[1]["listsError"] == "Contact has no email; cannot manage list membership"
    rows = plane.db.run(Query("t", "SELECT categories FROM email_preferences"))
    assert rows == [({"digest": False},)]


def test_lists_of_a_duplicate_still_apply_and_pages_act_for_their_user(plane: DataPlane) -> None:
    plane.call("POST", "/v1/events", BASE | {"email": "a@b.example"})
    proof = {"userToken": plane.user_token("u1")}

    plane.call("POST", "/v1/events", BASE | {"lists": {"digest": False}})
    by_page = plane.call(
        "POST", "/v1/events", BASE | proof | {"lists": {"digest": True}}, key=plane.public
    )

    assert "listsError" not in by_page[1]
    rows = plane.db.run(Query("t", "SELECT subscribed, source FROM preference_changes ORDER BY id"))
    assert rows == [(False, "api"), (True, "browser")]
