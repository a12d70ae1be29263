"""Everything of the loser is the survivor's, and what would be twice is folded."""

from __future__ import annotations

from uuid import UUID

import pytest

from hogsend.contacts import Resolved
from tests.integration.contacts.belongings import columns_named, give_everything
from tests.integration.contacts.people import People


@pytest.fixture
def loser(people: People) -> Resolved:
    return people.put(email="loser@x.co", patch={"a": 1, "b": 1}, source="import")


@pytest.fixture
def winner(people: People) -> Resolved:
    return people.put("U", patch={"b": 2, "c": 2})


def _merge(people: People) -> Resolved:
    return people.put("U", "loser@x.co")


def _count(people: People, table: str, column: str, value: object) -> int:
    count: int = people.one(f'SELECT count(*) FROM "{table}" WHERE {column} = :value', value=value)
    return count


def test_merge_repoints_every_table_that_names_a_contact(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    give_everything(people, loser.contact_id, key=loser.key, email="loser@x.co")
    tables = columns_named(people, "contact_id")
    for table in tables:
        assert _count(people, table, "contact_id", loser.contact_id) > 0, (
            f"{table} names contacts: give_everything must fill it, absorb_contact_v1 re-point it"
        )

    merged = _merge(people)

    assert merged.contact_id == winner.contact_id
    for table in tables:
        assert _count(people, table, "contact_id", loser.contact_id) == 0, table
        assert _count(people, table, "contact_id", winner.contact_id) > 0, table


def test_merge_lays_the_survivors_properties_over_the_losers(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    people.rows("UPDATE contacts SET timezone = 'Asia/Tokyo' WHERE id = :id", id=loser.contact_id)

    people.put("U", "loser@x.co", patch={"c": None, "d": 4})

    row = people.contact(winner.contact_id)
    assert row["properties"] == {"a": 1, "b": 2, "d": 4}
    assert row["email"] == "loser@x.co"
    assert row["timezone"] == "Asia/Tokyo"
    assert row["source"] == "import"
    first_seen = people.one("SELECT min(first_seen_at) FROM contacts")
    assert (
        people.one("SELECT first_seen_at FROM contacts WHERE id = :id", id=winner.contact_id)
        == first_seen
    )
    assert people.contact(loser.contact_id)["deleted_at"] is not None


def test_merge_keeps_history_keys_as_written_and_rewrites_the_address_of_sends(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    people.rows("UPDATE contacts SET email = 'winner@x.co' WHERE id = :id", id=winner.contact_id)
    give_everything(people, loser.contact_id, key=loser.key, email="loser@x.co")

    _merge(people)

    assert people.one("SELECT user_id FROM user_events") == loser.key
    assert people.rows("SELECT user_email, to_email FROM email_sends") == [
        ("winner@x.co", "loser@x.co")
    ]


def test_merge_exits_the_losers_enrollment_where_the_survivor_is_enrolled(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    lost = give_everything(people, loser.contact_id, key=loser.key, email="loser@x.co")
    kept = give_everything(people, winner.contact_id, key="U", email="winner@x.co")

    _merge(people)

    states = dict(people.rows("SELECT id, status FROM journey_states"))
    assert states == {lost: "exited", kept: "waiting"}
    assert people.rows("SELECT state_id FROM waits") == [(kept,)]
    assert people.one("SELECT exit_reason FROM journey_states WHERE id = :id", id=lost) == "merged"
    assert (
        people.one(
            "SELECT count(*) FROM journey_logs WHERE journey_state_id = :id AND action = 'exited'",
            id=lost,
        )
        == 1
    )
    assert people.rows("SELECT 1 FROM outbox WHERE ref_id = :id", id=lost) == []


def test_merge_renames_subjects_of_the_outbox(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    give_everything(people, loser.contact_id, key=loser.key, email="loser@x.co")

    _merge(people)

    assert people.rows(
        "SELECT subject FROM outbox WHERE topic = 'journey.advance' ORDER BY subject"
    ) == [
        (f"{winner.contact_id}/other",),
        (f"{winner.contact_id}/welcome",),
    ]


def test_event_after_a_merge_wakes_the_losers_wait(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    state = give_everything(people, loser.contact_id, key=loser.key, email="loser@x.co")
    people.rows("DELETE FROM outbox")

    merged = _merge(people)
    people.send("paid", user_id="U")

    assert people.rows("SELECT outcome FROM waits") == [("event",)]
    assert people.rows("SELECT ref_id, subject FROM outbox") == [
        (state, f"{merged.contact_id}/welcome")
    ]


@pytest.mark.parametrize("of_loser", [True, False])
def test_merge_folds_preferences_so_that_every_refusal_counts(
    people: People, loser: Resolved, winner: Resolved, of_loser: bool
) -> None:
    refuser, other = (loser, winner) if of_loser else (winner, loser)
    insert = (
        "INSERT INTO email_preferences (user_id, email, contact_id, unsubscribed_all, suppressed,"
        " bounce_count, categories, suppressed_at)"
        " VALUES (:key, 'same@x.co', :id, :refuses, :refuses, :bounces, CAST(:categories AS jsonb),"
        " CAST(:at AS timestamptz))"
    )
    people.rows(
        insert, key=refuser.key, id=refuser.contact_id, refuses=True, bounces=3,
        categories={"a": False, "b": True}, at="2026-02-01T00:00:00Z",
    )  # fmt: skip
    people.rows(
        insert, key=other.key, id=other.contact_id, refuses=False, bounces=1,
        categories={"a": True, "c": False}, at="2026-01-01T00:00:00Z",
    )  # fmt: skip

    _merge(people)

    rows = people.rows(
        "SELECT contact_id, unsubscribed_all, suppressed, bounce_count, categories,"
        " extract(month FROM suppressed_at AT TIME ZONE 'UTC')::int FROM email_preferences"
    )
    assert rows == [(winner.contact_id, True, True, 3, {"a": False, "b": True, "c": False}, 1)]


def test_merge_drops_a_membership_both_had(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    for person in (loser, winner):
        people.send(user_id=person.key, groups={"company": "acme"})

    _merge(people)

    assert people.rows("SELECT contact_id FROM group_memberships") == [(winner.contact_id,)]


def test_chain_of_merges_leads_every_old_key_and_row_to_the_last_survivor(
    people: People,
) -> None:
    first = people.put(email="a@x.co")
    second = people.put(email="b@x.co", anonymous_id="B")
    people.put(email="a@x.co", anonymous_id="B")
    last = people.put("U")
    people.put("U", anonymous_id="B")

    for person in (first, second, last):
        live = people.one("SELECT hogsend.live_contact_v1(:id)", id=person.contact_id)
        assert live == _living(people)
        assert people.send(user_id=str(person.contact_id)).contact_id == _living(people)
    assert people.living() == [("U", "a@x.co", "B")]


def _living(people: People) -> UUID:
    found: UUID = people.one("SELECT id FROM contacts WHERE deleted_at IS NULL")
    return found


def test_adoption_takes_the_whole_orphan_history_once(people: People) -> None:
    state = give_everything(people, None, key="A", email="a@x.co")
    give_everything(people, None, key="B", email="b@x.co")

    made = people.put("U", anonymous_id="A")

    for table in ("user_events", "journey_states", "waits", "journey_skips", "email_sends"):
        rows = people.rows(f"SELECT user_id, contact_id FROM {table} ORDER BY user_id")
        assert rows == [("A", made.contact_id), ("B", None)], table
    subjects = [
        row[0]
        for row in people.rows(
            "SELECT subject FROM outbox WHERE topic = 'journey.advance' ORDER BY id"
        )
    ]
    assert subjects == [f"{made.contact_id}/welcome", f"{made.contact_id}/other",
                        "B/welcome", "B/other"]  # fmt: skip
    assert people.one("SELECT status FROM journey_states WHERE id = :id", id=state) == "waiting"


def test_adoption_of_two_keys_keeps_one_enrollment(people: People) -> None:
    older = give_everything(people, None, key="A", email="a@x.co")
    people.rows("UPDATE journey_states SET created_at = created_at - interval '1 day'")
    give_everything(people, None, key="U", email="u@x.co")

    people.put("U", anonymous_id="A")

    live = people.rows("SELECT id FROM journey_states WHERE status = 'waiting'")
    assert live == [(older,)]


def test_merge_calls_the_functions_of_later_slices(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    people.rows("CREATE TABLE later (contact_id uuid)")
    people.rows("INSERT INTO later VALUES (:id)", id=loser.contact_id)
    people.rows(
        "CREATE FUNCTION hogsend.on_merge_later_v1(s uuid, l uuid) RETURNS void LANGUAGE sql AS"
        " 'UPDATE later SET contact_id = s WHERE contact_id = l'"
    )

    _merge(people)

    assert people.rows("SELECT contact_id FROM later") == [(winner.contact_id,)]


def test_lock_of_a_merged_subject_is_the_survivors(
    people: People, loser: Resolved, winner: Resolved
) -> None:
    _merge(people)
    from hogsend.db import Query

    with people.db.transaction() as tx:
        tx.run(
            Query.parse("lock", "SELECT hogsend.lock_subject_v1(CAST(:id AS uuid), '')"),
            id=loser.contact_id,
        )
        blocked = people.rows(
            "SELECT id FROM contacts WHERE deleted_at IS NULL FOR NO KEY UPDATE SKIP LOCKED"
        )

    assert blocked == []
