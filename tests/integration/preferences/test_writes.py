from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest

from hogsend.db import Database, Executor, Query, Transaction
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonObject
from hogsend.preferences import store
from hogsend.preferences.announce import AnnouncesChanges
from hogsend.preferences.models import Person, PreferenceChange
from hogsend.preferences.persons import ContactPersons
from hogsend.preferences.write import PreferenceWriter

pytestmark = pytest.mark.integration

CONTACT = UUID(int=1)
ADA = Person(user_id="u1", email="a@b.example", contact_id=CONTACT)


class Heard:
    """Remembers changes; ``fails`` makes the transaction fail."""

    def __init__(self, *, fails: bool = False) -> None:
        self.changes: list[PreferenceChange] = []
        self._fails = fails

    def preference_changed(self, tx: Transaction, change: PreferenceChange) -> None:
        self.changes.append(change)
        if self._fails:
            raise RuntimeError("no")


def rows(db: Database) -> list[tuple[object, ...]]:
    return db.run(
        Query(
            "t",
            "SELECT user_id, contact_id, categories, unsubscribed_all "
            "FROM email_preferences ORDER BY user_id",
        )
    )


def test_row_of_the_contact_outranks_one_of_an_old_key(database: Database) -> None:
    writer = PreferenceWriter(database)
    writer.set_categories(ADA, {"a": False}, source="api")
    renamed = Person(user_id="new-key", email=ADA.email, contact_id=CONTACT)

    writer.set_categories(renamed, {"b": False}, source="api")

    assert rows(database) == [("u1", CONTACT, {"a": False, "b": False}, False)]


def test_row_without_owner_gets_one(database: Database) -> None:
    writer = PreferenceWriter(database)
    writer.set_all(Person(user_id="u1", email=ADA.email), subscribed=False, source="import")

    writer.set_categories(ADA, {"a": False}, source="api")

    assert rows(database) == [("u1", CONTACT, {"a": False}, True)]


def test_listener_hears_changes_only_and_in_the_transaction(database: Database) -> None:
    heard = Heard()
    writer = PreferenceWriter(database, [heard])

    assert writer.set_categories(ADA, {"b": True, "a": False}, source="api") == ["a", "b"]
    assert writer.set_categories(ADA, {"b": True, "a": True}, source="api") == ["a"]
    assert not writer.set_all(ADA, subscribed=True, source="api")

    assert [(c.category, c.subscribed) for c in heard.changes] == [
        ("a", False),
        ("b", True),
        ("a", True),
    ]


def test_failing_listener_undoes_the_change(database: Database) -> None:
    writer = PreferenceWriter(database, [Heard(fails=True)])

    with pytest.raises(RuntimeError):
        writer.set_categories(ADA, {"a": False}, source="api")

    assert rows(database) == []
    assert store.list_changes(database, email=ADA.email) == []


def test_resubscribe_lifts_the_global_refusal_and_the_category(database: Database) -> None:
    writer = PreferenceWriter(database)
    writer.set_all(ADA, subscribed=False, source="api")
    writer.set_categories(ADA, {"a": False}, source="api")

    writer.resubscribe(ADA, category="a", source="preference_center")

    found = store.get_preferences(database, email=ADA.email, contact_id=CONTACT)
    assert (found.unsubscribed_all, found.categories) == (False, {"a": True})


def test_preferences_of_several_rows_add_up_with_refusals_winning(database: Database) -> None:
    for user_id, value in (("one", "true"), ("two", "false")):
        database.run(
            Query(
                "t",
                "INSERT INTO email_preferences (user_id, email, categories) "
                "VALUES ($1, 'a@b.example', jsonb_build_object('a', CAST($2 AS jsonb), 'x', 1))",
                ("user_id", "value"),
            ),
            user_id=user_id,
            value=value,
        )

    found = store.get_preferences(database, email="a@b.example")

    assert found.categories == {"a": False}


def test_writers_at_the_same_moment_make_one_row(database: Database) -> None:
    writer = PreferenceWriter(database)
    start = threading.Barrier(6)
    problems: list[BaseException] = []

    def write(number: int) -> None:
        person = Person(user_id=f"key-{number % 3}", email=ADA.email, contact_id=CONTACT)
        try:
            start.wait()
            writer.set_categories(person, {f"c{number}": False}, source="api")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert len(rows(database)) == 1
    assert rows(database)[0][2] == {f"c{number}": False for number in range(6)}


def test_record_follows_a_merged_person(database: Database) -> None:
    PreferenceWriter(database).set_categories(ADA, {"a": False}, source="api")
    survivor = uuid4()

    database.run(
        Query(
            "t",
            "SELECT hogsend.on_merge_preferences_v1(CAST($1 AS uuid), CAST($2 AS uuid))",
            ("survivor", "loser"),
        ),
        survivor=survivor,
        loser=CONTACT,
    )

    assert len(store.list_changes(database, email="-", contact_id=survivor)) == 1


class Outside:
    """Remembers what the outside was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, JsonObject]] = []

    def announce(self, tx: Executor, event: str, contact_id: UUID, data: JsonObject) -> None:
        self.told.append((event, data))


def test_outside_hears_of_changes_in_the_words_of_the_contract(database: Database) -> None:
    outside = Outside()
    writer = PreferenceWriter(database, [AnnouncesChanges(outside)])

    writer.set_all(ADA, subscribed=False, source="api")
    writer.set_categories(ADA, {"a": True}, source="preference_center")
    writer.set_all(Person(user_id="x", email="x@b.example"), subscribed=False, source="api")

    base = {"externalId": None, "email": "a@b.example"}
    assert outside.told == [
        ("contact.unsubscribed", base | {"category": None, "scope": "all"}),
        (
            "contact.subscribed",
            base | {"category": "a", "scope": "category", "source": "preference_center"},
        ),
    ]


def test_person_made_by_a_preference_is_announced_once(database: Database) -> None:
    outside = Outside()
    persons = ContactPersons(database, new_id=uuid7, announcer=outside)

    for _ in range(2):
        persons.resolve_person(external_id="u1", email="a@b.example", source="api")

    assert [event for event, _ in outside.told] == ["contact.created"]
