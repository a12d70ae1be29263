from __future__ import annotations

import threading

import pytest

from hogsend.db import Database, Query
from hogsend.events.ingest import Ingest
from hogsend.events.matching import Matches
from hogsend.events.models import NewEvent
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue

pytestmark = pytest.mark.integration


class NoMatcher:
    """No journeys."""

    def match(self, event: str, properties: object) -> Matches:
        return Matches(starts=(), exits=())


class NoNudge:
    """Nobody to wake."""

    def poke(self) -> None:
        pass


@pytest.fixture
def ingest(database: Database) -> Ingest:
    return Ingest(db=database, matcher=NoMatcher(), nudge=NoNudge(), new_id=uuid7)


def members(db: Database) -> list[tuple[JsonValue, ...]]:
    return db.run(
        Query(
            "t",
            "SELECT g.group_type, g.group_key, k.external_id FROM groups g "
            "LEFT JOIN group_memberships m ON m.group_id = g.id "
            "LEFT JOIN contacts k ON k.id = m.contact_id ORDER BY 1, 2, 3",
        )
    )


def test_event_with_groups_makes_the_person_a_member_once(
    database: Database, ingest: Ingest
) -> None:
    groups = {"company": "acme", "team": "red"}
    for _ in range(2):
        ingest.ingest(NewEvent(name="seen", external_id="u1", groups=groups))

    assert members(database) == [("company", "acme", "u1"), ("team", "red", "u1")]


def test_event_of_nobody_names_groups_without_making_them(
    database: Database, ingest: Ingest
) -> None:
    ingest.ingest(
        NewEvent(name="seen", anonymous_id="b1", groups={"company": "acme"}, may_create=False)
    )

    assert members(database) == []


def test_duplicate_event_adds_no_groups(database: Database, ingest: Ingest) -> None:
    ingest.ingest(NewEvent(name="seen", external_id="u1", idempotency_key="bucket:k"))

    ingest.ingest(
        NewEvent(name="seen", external_id="u1", idempotency_key="bucket:k", groups={"company": "x"})
    )

    assert members(database) == []


def test_many_events_of_one_group_at_once_all_arrive(database: Database, ingest: Ingest) -> None:
    problems: list[BaseException] = []

    def send(number: int) -> None:
        try:
            for event in range(5):
                ingest.ingest(
                    NewEvent(
                        name=f"e{event}",
                        external_id=f"u{number}",
                        groups={"company": "acme", "team": f"t{event}"},
                    )
                )
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert len(members(database)) == 4 * 6
