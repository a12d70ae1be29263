from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import falcon.testing
import pytest

from hogsend.access.guards import Guards
from hogsend.db import Database, Query
from hogsend.kernel.clock import VirtualClock
from hogsend.preferences import get_consent, suppression_admin
from hogsend.preferences.suppression import (
    SuppressionType,
    find_suppression,
    list_suppressions,
    suppress,
    unsuppress,
)
from hogsend.web.app import build_app

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def bounce(db: Database, email: str, *, threshold: int = 1) -> bool:
    query = Query.parse(
        "t", "SELECT hogsend.suppress_address_v1(:email, 'bounce', false, :threshold, :at)"
    )
    return bool(db.run(query, email=email, threshold=threshold, at=NOW)[0][0])


def complain(db: Database, email: str) -> None:
    query = Query.parse(
        "t", "SELECT hogsend.suppress_address_v1(:email, 'complaint', true, 3, :at)"
    )
    db.run(query, email=email, at=NOW)


def test_suppress_stops_addresses_and_says_which_are_new(database: Database) -> None:
    first = suppress(database, ["b@x.test", "a@x.test", "a@x.test"], reason="manual", at=NOW)
    again = suppress(
        database, ["a@x.test", "c@x.test"], reason="import", at=NOW + timedelta(days=1)
    )

    found = find_suppression(database, "a@x.test")
    assert (first, again) == (["a@x.test", "b@x.test"], ["c@x.test"])
    assert found is not None
    assert (found.reason, found.suppressed_at) == ("manual", NOW)
    assert get_consent(database, "a@x.test").suppressed
    assert find_suppression(database, "d@x.test") is None


def test_suppress_an_address_that_only_counted_bounces_takes_the_new_reason(
    database: Database,
) -> None:
    assert not bounce(database, "a@x.test", threshold=3)

    assert suppress(database, ["a@x.test"], reason="manual", at=NOW) == ["a@x.test"]
    found = find_suppression(database, "a@x.test")
    assert found is not None
    assert (found.reason, found.bounce_count) == ("manual", 1)


def test_unsuppress_counts_from_zero_and_reaches_old_rows(database: Database) -> None:
    bounce(database, "a@x.test", threshold=2)
    bounce(database, "a@x.test", threshold=2)
    database.run(
        Query.parse(
            "t",
            "INSERT INTO email_preferences (user_id, email, suppressed, bounce_count) "
            "VALUES ('u', 'a@x.test', true, 3)",
        )
    )

    lifted, again = unsuppress(database, "a@x.test"), unsuppress(database, "a@x.test")

    assert (lifted, again) == (True, False)
    assert not get_consent(database, "a@x.test").suppressed
    assert not bounce(database, "a@x.test", threshold=2)


def test_complaint_stays_the_reason_whatever_bounces_later(database: Database) -> None:
    complain(database, "a@x.test")
    bounce(database, "a@x.test")

    found = find_suppression(database, "a@x.test")
    assert found is not None
    assert (found.reason, found.bounce_count, found.suppressed_at) == ("complaint", 1, NOW)


@pytest.fixture
def filled(database: Database) -> Database:
    bounce(database, "bounced@x.test")
    bounce(database, "counted@x.test", threshold=3)
    complain(database, "complained@x.test")
    suppress(database, ["manual@x.test"], reason="manual", at=NOW)
    database.run(
        Query.parse(
            "t",
            "INSERT INTO email_preferences (user_id, email, unsubscribed_all) VALUES "
            "('u1', 'left@x.test', true), ('u2', 'stayed@x.test', false), "
            "('u3', 'bounced@x.test', false)",
        )
    )
    return database


@pytest.mark.parametrize(
    ("kind", "emails"),
    [
        ("bounced", ["bounced@x.test", "counted@x.test"]),
        ("complained", ["complained@x.test", "manual@x.test"]),
        ("unsubscribed", ["left@x.test"]),
        (None, ["bounced@x.test", "complained@x.test", "counted@x.test", "left@x.test",
                "manual@x.test"]),
    ],
)  # fmt: skip
def test_list_suppressions_by_type(
    filled: Database, kind: SuppressionType | None, emails: Sequence[str]
) -> None:
    people, total = list_suppressions(filled, type=kind)

    assert sorted(person.email for person in people) == list(emails)
    assert total == len(emails)


def test_list_suppressions_pages_without_gaps(filled: Database) -> None:
    pages = [list_suppressions(filled, limit=2, offset=offset) for offset in (0, 2, 4)]

    assert [total for _, total in pages] == [5, 5, 5]
    assert len({person.email for people, _ in pages for person in people}) == 5


class NoKeys:
    def find(self, key_hash: str) -> None:
        return None

    def mark_used(self, key: object) -> None:
        pass


def test_suppressions_route_is_for_operators_and_filters(filled: Database) -> None:
    guards = Guards(NoKeys(), clock=VirtualClock(NOW), admin_api_key="master")
    api = suppression_admin.SuppressionsApi(db=filled)
    client = falcon.testing.TestClient(build_app(suppression_admin.routes(api, guards)))
    operator = {"Authorization": "Bearer master"}

    def get(query: str) -> Any:
        return client.simulate_get("/v1/admin/suppressions", query_string=query, headers=operator)

    found = get("type=bounced&limit=1")
    row = get("type=unsubscribed").json["suppressions"][0]

    assert client.simulate_get("/v1/admin/suppressions").status_code == 401
    assert (found.json["total"], len(found.json["suppressions"])) == (2, 1)
    assert (row["userId"], row["unsubscribedAll"], row["suppressed"]) == ("u1", True, False)
    assert get("type=nonsense").status_code == 400
    assert get("limit=201").status_code == 400
