"""What the outside is to hear is written with what happened, once, and not for long."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hogsend.contacts.erase import Eraser
from hogsend.contacts.models import keys_of
from hogsend.contacts.people import People as Contacts
from hogsend.contacts.refusals import RefusalHasher
from hogsend.contacts.tasks import forget_drafts
from hogsend.db import Database, Query
from hogsend.errors import HogsendError
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.tokens import TokenSigner
from hogsend.outbound import EVENT_TYPES, HitPromise, Promises, store
from hogsend.outbound.tasks import purge
from hogsend.preferences.announce import AnnouncesChanges
from hogsend.preferences.models import Person
from hogsend.preferences.write import PreferenceWriter
from tests.integration.contacts.people import People

pytestmark = pytest.mark.integration

SECRET = "a secret for tests that is long enough"
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


@pytest.fixture
def contacts(database: Database) -> Contacts:
    clock = VirtualClock(NOW)
    promises = Promises(clock)
    eraser = Eraser(hasher=RefusalHasher(SECRET), signer=TokenSigner(SECRET), announcer=promises)
    return Contacts(db=database, new_id=uuid7, clock=clock, announcer=promises, eraser=eraser)


def told(db: Database) -> list[tuple[str, Any]]:
    return [(event.type, event.payload["data"]) for event in store.list_promised(db)]


def a_mail(people: People, *, user_id: str | None = None) -> UUID:
    send_id: UUID = people.one(
        "INSERT INTO email_sends (id, user_id, from_email, to_email, intended_to, subject,"
        " template_key, category) VALUES (:id, :user, 'a@b.co', 'test@b.co', 'ada@x.co', 'Hi',"
        " 'welcome', 'news') RETURNING id",
        id=uuid7(),
        user=user_id,
    )
    return send_id


def test_types_are_the_ones_the_table_accepts(people: People) -> None:
    definition = people.one(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conname = 'outbound_events_type_check'"
    )

    assert set(re.findall(r"'([a-z.]+)'", definition)) == set(EVENT_TYPES)


def test_contact_changes_are_promised_in_the_form_that_goes_out(
    contacts: Contacts, database: Database
) -> None:
    made = contacts.upsert(keys_of(user_id="u"), patch={"plan": "pro"})

    (event,) = store.list_promised(database)
    assert event.contact_id == made.contact_id
    assert event.id.version == 7
    assert set(event.payload) == {"id", "type", "timestamp", "data"}
    assert re.fullmatch(r"msg_[0-9a-f-]{36}", str(event.payload["id"]))
    assert (event.payload["type"], event.payload["timestamp"]) == (
        "contact.created",
        "2026-05-01T12:00:00.000Z",
    )
    assert event.payload["data"] == {
        "id": str(made.contact_id), "externalId": "u", "email": None,
        "properties": {"plan": "pro"},
    }  # fmt: skip


def test_promise_of_a_transaction_that_fails_is_not_made(database: Database) -> None:
    contact_id = uuid7()

    with pytest.raises(HogsendError, match="later"), database.transaction() as tx:
        Promises(VirtualClock(NOW)).announce(tx, "contact.updated", contact_id, {})
        raise HogsendError("later trouble")

    assert store.list_promised(database) == []


def test_change_that_cannot_be_promised_does_not_happen(contacts: Contacts, people: People) -> None:
    people.rows("ALTER TABLE outbound_events ADD CHECK (type <> 'contact.created')")

    with pytest.raises(HogsendError):
        contacts.upsert(keys_of(user_id="u"))

    assert people.living() == []


def test_promises_of_one_connection_keep_their_order(database: Database) -> None:
    promises, contact_id = Promises(VirtualClock(NOW)), uuid7()

    with database.transaction() as tx:
        for number in range(200):
            promises.announce(tx, "contact.updated", contact_id, {"number": number})

    numbers = [data["number"] for _, data in told(database)]
    assert numbers == list(range(100))
    (last,) = store.list_promised(database, after=store.list_promised(database)[-1].id)[-1:]
    assert last.payload["data"] == {"number": 199}
    assert last.id.version == 7
    assert abs((last.id.int >> 80) / 1000 - time.time()) < 60


def test_unsubscribing_is_promised_once(people: People, database: Database) -> None:
    made = people.put("u", "ada@x.co")
    writer = PreferenceWriter(database, [AnnouncesChanges(Promises(VirtualClock(NOW)))])
    person = Person(user_id="u", email="ada@x.co", contact_id=made.contact_id, external_id="u")

    writer.set_categories(person, {"news": False}, source="api")
    writer.set_categories(person, {"news": False}, source="api")

    assert told(database) == [
        ("contact.unsubscribed",
         {"externalId": "u", "email": "ada@x.co", "category": "news", "scope": "category"}),
    ]  # fmt: skip


def test_event_of_a_known_contact_promises_nothing_and_stays_one_statement(
    people: People,
) -> None:
    people.send("seen", "u")
    before = people.db.stats().round_trips_total

    people.send("seen", "u")

    assert people.db.stats().round_trips_total - before == 1
    assert store.list_promised(people.db) == []


def test_life_of_a_mail_is_promised_step_by_step_and_once(people: People) -> None:
    send_id = a_mail(people, user_id="u")
    steps = (
        "sent_at = '2026-05-01T12:00:00Z', message_id = 'm1'",
        "sent_at = '2026-05-01T12:00:01Z'",
        "delivered_at = '2026-05-01T12:00:02Z'",
        "delivered_at = '2026-05-01T12:00:01Z'",
        "bounced_at = '2026-05-01T12:00:03Z', bounce_type = 'transient'",
        "bounce_type = 'permanent', bounce_reason = 'gone'",
        "complained_at = '2026-05-01T12:00:04Z'",
        "opened_at = now(), clicked_at = now()",
    )

    for step in steps:
        people.rows(f"UPDATE email_sends SET {step} WHERE id = :id", id=send_id)

    facts = {
        "emailSendId": str(send_id), "messageId": "m1", "templateKey": "welcome",
        "userId": "u", "to": "ada@x.co",
    }  # fmt: skip
    assert told(people.db) == [
        ("email.sent", facts | {
            "category": "news", "journeyStateId": None, "subject": "Hi",
            "sentAt": "2026-05-01T12:00:00.000Z"}),
        ("email.delivered", facts | {"at": "2026-05-01T12:00:02.000Z"}),
        ("email.bounced",
         facts | {"at": "2026-05-01T12:00:03.000Z", "bounceType": "transient"}),
        ("email.bounced", facts | {
            "at": "2026-05-01T12:00:03.000Z", "bounceType": "permanent",
            "bounceReason": "gone"}),
        ("email.complained", facts | {"at": "2026-05-01T12:00:04.000Z"}),
    ]  # fmt: skip


def test_sent_of_a_transaction_that_fails_is_not_promised(people: People) -> None:
    send_id = a_mail(people)
    update = Query.parse("t", "UPDATE email_sends SET sent_at = now() WHERE id = :id")

    with pytest.raises(HogsendError, match="later"), people.db.transaction() as tx:
        tx.run(update, id=send_id)
        raise HogsendError("later trouble")

    assert store.list_promised(people.db) == []


def test_purge_deletes_what_is_old_only(contacts: Contacts, people: People) -> None:
    contacts.upsert(keys_of(user_id="old"))
    people.rows("UPDATE outbound_events SET created_at = :at", at=NOW - timedelta(days=8))
    contacts.upsert(keys_of(user_id="new"))
    people.rows("UPDATE outbound_events SET created_at = :at WHERE created_at > :at", at=NOW)

    deleted = purge(people.db, clock=VirtualClock(NOW), keep_for=timedelta(days=7))

    assert deleted == 1
    assert [data["externalId"] for _, data in told(people.db)] == ["new"]


def test_erasure_leaves_the_row_id_and_nothing_else(contacts: Contacts, people: People) -> None:
    made = contacts.upsert(keys_of(user_id="needle", email="needle@x.co"))
    assert made.contact_id is not None
    contacts.upsert(keys_of(user_id="other"))

    contacts.erase([made.contact_id], actor="test", actor_key_id=None)

    left = people.rows("SELECT payload::text FROM outbound_events ORDER BY id")
    assert "needle" not in str(left)
    assert told(people.db)[1:] == [
        ("contact.deleted", {"id": str(made.contact_id), "externalId": None, "email": None})
    ]


def test_merge_gives_promises_to_the_survivor(contacts: Contacts, people: People) -> None:
    contacts.upsert(keys_of(user_id="u"))
    contacts.upsert(keys_of(email="u@x.co"))

    merged = contacts.upsert(keys_of(user_id="u", email="u@x.co"))

    owners = people.rows("SELECT DISTINCT contact_id FROM outbound_events")
    assert owners == [(merged.contact_id,)]


def test_drafts_nobody_adds_to_are_forgotten(people: People) -> None:
    people.rows(
        "INSERT INTO anonymous_drafts (anonymous_id, properties, updated_at)"
        " VALUES ('old', '{}', :old), ('new', '{}', :new)",
        old=NOW - timedelta(days=91),
        new=NOW - timedelta(days=89),
    )

    deleted = forget_drafts(people.db, clock=VirtualClock(NOW), keep_for=timedelta(days=90))

    assert deleted == 1
    assert people.rows("SELECT anonymous_id FROM anonymous_drafts") == [("new",)]


def test_opens_and_clicks_of_people_are_promised_once_by_hit(people: People) -> None:
    send_id = a_mail(people, user_id="u")
    link_id = uuid7()
    promises = Promises(VirtualClock(NOW))
    opened = HitPromise(type="email.opened", send_id=send_id, at=NOW, dedupe_key="o1")
    clicked = HitPromise(
        type="email.clicked", send_id=send_id, at=NOW, dedupe_key="c1", link_id=link_id,
        url="https://x.test/",
    )  # fmt: skip

    first = promises.promise_hits(people.db, [opened, clicked])
    again = promises.promise_hits(people.db, [opened, clicked])

    assert (first, again) == (2, 0)
    by_type = dict(told(people.db))
    assert by_type["email.opened"]["emailSendId"] == str(send_id)
    assert by_type["email.clicked"] == by_type["email.opened"] | {
        "linkUrl": "https://x.test/", "linkId": str(link_id),
    }  # fmt: skip
