"""Nothing about a person is forgotten by an export, nor left by an erasure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from hogsend.contacts import store
from hogsend.contacts.announce import Silent
from hogsend.contacts.erase import Certificate, Eraser
from hogsend.contacts.refusals import RefusalHasher
from hogsend.kernel.tokens import TokenSigner
from tests.integration.contacts.belongings import give_everything
from tests.integration.contacts.people import People

SECRET = "a secret for tests that is long enough"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

# Tables whose rows are about one person: exported and erased.
PERSONAL = {
    "anonymous_drafts", "contact_aliases", "contacts", "conversions", "email_feedback",
    "email_preferences", "email_sends",
    "email_suppressions", "group_memberships", "journey_logs", "journey_skips", "journey_states",
    "journey_steps", "list_confirmations",
    "link_clicks", "machine_hits", "outbound_events", "outbox", "preference_changes",
    "tracked_links", "user_events",
    "waits",
}  # fmt: skip

# Every other table, and why it is not about a contact.
OTHER = {
    "account": "how administrators sign in",
    "api_keys": "servers and browsers, not people",
    "audit_logs": "what administrators did; an erasure leaves the row id only",
    "groups": "companies; a person's part is the membership",
    "idempotency_keys": "answers that expire by themselves within days",
    "journey_configs": "switches",
    "operator_settings": "switches",
    "rate_limits": "counters of keys and networks",
    "send_pacing": "counters of domains",
    "session": "administrators",
    "suppression_hashes": "keyed hashes, kept on purpose",
    "user": "administrators",
    "verification": "administrators",
}


@pytest.fixture
def eraser() -> Eraser:
    return Eraser(hasher=RefusalHasher(SECRET), signer=TokenSigner(SECRET), announcer=Silent())


@pytest.fixture
def contact_id(people: People) -> UUID:
    """Somebody with everything, who was two people once and anonymous before."""
    people.send("page", anonymous_id="needle-anon", may_create=False)
    give_everything(people, None, key="needle-anon", email="needle-old@x.co")
    people.put(email="needle-mail@x.co", patch={"city": "needle-city"})
    made = people.put("needle-user", anonymous_id="needle-anon")
    people.put("needle-user", "needle-mail@x.co")
    people.put("needle-user", "needle-second@x.co")
    assert made.contact_id is not None
    people.rows("UPDATE journey_states SET status = 'completed'")
    give_everything(people, made.contact_id, key="needle-user", email="needle-mail@x.co")
    return made.contact_id


def _tables(people: People) -> set[str]:
    return {
        row[0]
        for row in people.rows(
            "SELECT table_name::text FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
    }


def _erase(people: People, eraser: Eraser, contact_id: UUID) -> Certificate | None:
    with people.db.transaction() as tx:
        return eraser.erase(tx, contact_id, now=NOW, actor="test")


def test_every_table_is_known_to_hold_a_person_or_not(people: People) -> None:
    unknown = _tables(people) - PERSONAL - set(OTHER)

    assert unknown == set(), (
        "say whether these hold something about a person; if so, export_contact_v1, "
        "erase_contact_v1 (or hooks of the slice) and give_everything must know them"
    )


def test_personal_tables_are_named_by_the_columns_that_carry_people(people: People) -> None:
    carriers = {
        row[0]
        for row in people.rows(
            "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public'"
            " AND column_name IN ('contact_id', 'to_email', 'user_email', 'anonymous_id',"
            " 'alias_value', 'journey_state_id', 'state_id', 'email_send_id', 'tracked_link_id')"
        )
    }

    assert carriers <= PERSONAL


def test_export_has_every_row_and_every_column(people: People, contact_id: UUID) -> None:
    stranger = people.put("stranger", "stranger@x.co")
    give_everything(people, stranger.contact_id, key="stranger", email="stranger@x.co")

    exported = store.export_contact(people.db, contact_id)

    assert set(exported) == PERSONAL & _tables(people)
    for table, rows in exported.items():
        columns = {
            row[0]
            for row in people.rows(
                "SELECT column_name::text FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name = :name",
                name=table,
            )
        }
        assert all(columns <= set(row) for row in rows), table
    assert "stranger" not in json.dumps(exported)


def test_export_has_history_from_before_the_person_had_a_name(
    people: People, contact_id: UUID
) -> None:
    exported = store.export_contact(people.db, contact_id)

    assert {row["user_id"] for row in exported["user_events"]} == {"needle-anon", "needle-user"}
    assert {row["email"] for row in exported["contacts"]} == {"needle-mail@x.co"}


def test_erasure_leaves_no_trace_in_any_table(
    people: People, eraser: Eraser, contact_id: UUID
) -> None:
    stranger = people.put("stranger", "stranger@x.co")
    give_everything(people, stranger.contact_id, key="stranger", email="stranger@x.co")
    people.rows("DELETE FROM groups WHERE group_key LIKE 'needle%'")  # a company, not a person

    certificate = _erase(people, eraser, contact_id)

    assert certificate is not None
    for table in sorted(_tables(people)):
        left = people.rows(
            f"SELECT to_jsonb(t) FROM \"{table}\" t WHERE to_jsonb(t)::text LIKE '%needle%'"
        )
        assert left == [], table
    assert store.export_contact(people.db, contact_id) == {}
    kept = store.export_contact(people.db, stranger.contact_id or contact_id)
    assert set(kept) == PERSONAL & _tables(people)


def test_erasure_counts_what_the_export_listed(
    people: People, eraser: Eraser, contact_id: UUID
) -> None:
    exported = store.export_contact(people.db, contact_id)

    certificate = _erase(people, eraser, contact_id)

    assert certificate is not None
    assert certificate.removed == {table: len(rows) for table, rows in exported.items()}


def test_certificate_is_signed_and_written_down(
    people: People, eraser: Eraser, contact_id: UUID
) -> None:
    certificate = _erase(people, eraser, contact_id)

    assert certificate is not None
    wire: dict[str, Any] = certificate.as_wire()
    token = wire.pop("token")
    assert eraser.signer.open(token) == wire
    assert wire["contactId"] == str(contact_id)
    assert wire["erasedAt"] == "2026-01-01T00:00:00.000Z"
    audited = people.rows("SELECT action, resource_id, detail ->> 'token' FROM audit_logs")
    assert audited == [("contact.erased", str(contact_id), token)]


def test_refusals_outlive_the_erasure_without_the_address(
    people: People, eraser: Eraser, contact_id: UUID
) -> None:
    people.rows(
        "UPDATE email_preferences SET unsubscribed_all = true WHERE email = 'needle-mail@x.co'"
    )

    certificate = _erase(people, eraser, contact_id)

    assert certificate is not None
    assert certificate.refusals_kept == 3
    find = eraser.hasher.find
    assert find(people.db, " Needle-Mail@x.co") == {"suppressed", "unsubscribed"}
    assert find(people.db, "somebody-else@x.co") == frozenset()
    assert RefusalHasher("another secret").find(people.db, "needle-mail@x.co") == frozenset()
    rotated = RefusalHasher("another secret", previous=[SECRET])
    assert rotated.find(people.db, "needle-mail@x.co") == {"suppressed", "unsubscribed"}


def test_erasure_leaves_mails_of_somebody_else_alone(
    people: People, eraser: Eraser, contact_id: UUID
) -> None:
    other = people.put("other", "other@x.co")
    give_everything(people, other.contact_id, key="other", email="other@x.co")
    people.rows(
        "INSERT INTO email_sends (contact_id, from_email, to_email, intended_to, subject)"
        " VALUES (:id, 'a@b.co', 'other@x.co', 'other@x.co', 'for a colleague')",
        id=contact_id,
    )

    _erase(people, eraser, contact_id)

    assert people.one("SELECT count(*) FROM email_sends") == 1
    assert people.one("SELECT count(*) FROM email_suppressions") == 1


def test_erasure_of_nobody_is_no_certificate(people: People, eraser: Eraser) -> None:
    assert _erase(people, eraser, UUID(int=1)) is None


def test_erased_persons_key_means_somebody_new(
    people: People, eraser: Eraser, contact_id: UUID
) -> None:
    _erase(people, eraser, contact_id)

    again = people.put("needle-user", "needle-mail@x.co")

    assert again.created
    assert people.rows("SELECT 1 FROM user_events") == []


def test_later_slices_join_export_and_erasure(
    people: People, eraser: Eraser, contact_id: UUID
) -> None:
    people.rows("CREATE TABLE later (contact_id uuid, note text)")
    people.rows("INSERT INTO later VALUES (:id, 'x')", id=contact_id)
    people.rows(
        "CREATE FUNCTION hogsend.on_export_later_v1(c uuid, keys text[], emails text[])"
        " RETURNS TABLE (section text, item jsonb) LANGUAGE sql AS"
        " 'SELECT ''later'', to_jsonb(t) FROM later t WHERE t.contact_id = c'"
    )
    people.rows(
        "CREATE FUNCTION hogsend.on_erase_later_v1(c uuid, keys text[], emails text[])"
        " RETURNS TABLE (section text, removed bigint) LANGUAGE sql AS"
        " 'WITH d AS (DELETE FROM later WHERE contact_id = c RETURNING 1)"
        " SELECT ''later'', count(*) FROM d'"
    )

    exported = store.export_contact(people.db, contact_id)
    certificate = _erase(people, eraser, contact_id)

    assert [row["note"] for row in exported["later"]] == ["x"]
    assert certificate is not None
    assert certificate.removed["later"] == 1
