"""Identity on a real database: the fast path in SQL and the slow path agree with the rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogsend.contacts import Keys, Policy
from hogsend.errors import InvalidInput, NotAllowed
from tests.integration.contacts.people import People
from tests.unit.contacts.book import Book

Facts = list[tuple[str | None, str | None, str | None]]

TABLE: dict[str, tuple[Facts, Facts, str]] = {
    # facts (userId, email, anonymousId), the living afterwards, key of the last fact
    "new user": ([("U", None, None)], [("U", None, None)], "U"),
    "new address": ([(None, "e@x.co", None)], [(None, "e@x.co", None)], "<id>"),
    "address, then user": (
        [(None, "e@x.co", None), ("U", "e@x.co", None)], [("U", "e@x.co", None)], "U",
    ),
    "anonymous with user": (
        [(None, "x@x.co", "A"), ("U", None, "A")], [("U", "x@x.co", "A")], "U",
    ),
    "anonymous person and user": (
        [(None, "x@x.co", "A"), ("U", None, None), ("U", None, "A")], [("U", "x@x.co", "A")], "U",
    ),
    "user and address-only person": (
        [("U", None, None), (None, "e@x.co", None), ("U", "e@x.co", None)],
        [("U", "e@x.co", None)], "U",
    ),
    "second user id": (
        [("U2", "e@x.co", None), ("U1", "e@x.co", None)], [("U2", "e@x.co", None)], "U2",
    ),
    "both identified": (
        [("U2", "e@x.co", None), ("U1", None, None), ("U1", "e@x.co", None)],
        [("U2", "e@x.co", None)], "U2",
    ),
    "second address": (
        [("U", "e1@x.co", None), ("U", "e2@x.co", None)], [("U", "e1@x.co", None)], "U",
    ),
    "by second address": (
        [("U", "e1@x.co", None), ("U", "e2@x.co", None), (None, "e2@x.co", None)],
        [("U", "e1@x.co", None)], "U",
    ),
    "stale key of somebody merged": (
        [("U2", "e@x.co", None), ("U1", None, None), ("U1", "e@x.co", None), ("U1", None, None)],
        [("U2", "e@x.co", None)], "U2",
    ),
    "two users in one browser": (
        [("U1", None, "A"), ("U2", None, "A")], [("U1", None, "A"), ("U2", None, None)], "U2",
    ),
    "two known users in one browser": (
        [("U1", None, "A"), ("U2", None, None), ("U2", None, "A")],
        [("U1", None, "A"), ("U2", None, None)], "U2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", ["event", "batch", "put"])
@pytest.mark.parametrize("row", TABLE)
def test_decision_table_row_holds_on_every_way_in(people: People, row: str, way: str) -> None:
    facts, living, key = TABLE[row]

    key_of_last = WAYS[way](people, facts)

    assert people.living() == living
    if key == "<id>":
        key = str(people.one("SELECT id FROM contacts WHERE deleted_at IS NULL"))
    assert key_of_last == key


def _by_events(people: People, facts: Facts) -> str:
    return [people.send(user_id=u, email=e, anonymous_id=a) for u, e, a in facts][-1].contact_key


def _by_put(people: People, facts: Facts) -> str:
    return [people.put(u, e, a) for u, e, a in facts][-1].key


def _by_batch(people: People, facts: Facts) -> str:
    from hogsend.events.models import Ingested, NewEvent

    answers = people.ingest.ingest_many(
        [NewEvent(name="seen", external_id=u, email=e, anonymous_id=a) for u, e, a in facts]
    )
    assert all(isinstance(answer, Ingested) and answer.stored for answer in answers)
    last = answers[-1]
    assert isinstance(last, Ingested)
    return last.contact_key


WAYS: dict[str, Callable[[People, Facts], str]] = {
    "event": _by_events,
    "batch": _by_batch,
    "put": _by_put,
}


def test_row_id_of_an_address_only_person_names_them_also_after_a_merge(people: People) -> None:
    first = people.put(email="e@x.co")
    people.put("U")

    before = people.send(user_id=first.key)
    people.put("U", "e@x.co")
    after = people.send(user_id=first.key)

    assert before.contact_id == first.contact_id
    assert before.contact_key == first.key
    assert after.contact_key == "U"
    assert people.living() == [("U", "e@x.co", None)]


def test_anonymous_key_that_circulates_as_user_id_names_the_person(people: People) -> None:
    first = people.put(email="e@x.co", anonymous_id="A")

    event = people.send(user_id="A")

    assert event.contact_id == first.contact_id
    assert people.living() == [(None, "e@x.co", "A")]


def test_deleted_persons_key_means_somebody_new(people: People) -> None:
    first = people.put("U", "e@x.co")
    people.rows("UPDATE contacts SET deleted_at = now() WHERE id = :id", id=first.contact_id)
    people.rows("DELETE FROM contact_aliases WHERE contact_id = :id", id=first.contact_id)

    second = people.put("U", "e@x.co")

    assert second.created
    assert second.contact_id != first.contact_id


def test_alias_of_a_deleted_person_falls_through_to_the_column(people: People) -> None:
    dead = people.put("old")
    people.rows("UPDATE contacts SET deleted_at = now() WHERE id = :id", id=dead.contact_id)
    living = people.put("U")
    people.rows(
        "UPDATE contact_aliases SET alias_value = 'U2' WHERE contact_id = :id", id=dead.contact_id
    )
    people.rows("UPDATE contacts SET external_id = 'U2' WHERE id = :id", id=living.contact_id)

    found = people.put("U2")

    assert found.contact_id == living.contact_id
    owner = people.one("SELECT contact_id FROM contact_aliases WHERE alias_value = 'U2'")
    assert owner == living.contact_id


def test_missing_alias_of_a_column_is_repaired(people: People) -> None:
    person = people.put("U", "e@x.co")
    people.rows("DELETE FROM contact_aliases")

    people.put("U")

    owners = people.rows("SELECT alias_kind, contact_id FROM contact_aliases ORDER BY 1")
    assert owners == [("email", person.contact_id), ("external", person.contact_id)]


def test_discord_id_resolves_but_is_never_the_key(people: People) -> None:
    made = people.resolve(Keys(discord="D"))
    found = people.resolve(Keys(discord="D", email="e@x.co"))

    assert made.created
    assert found.contact_id == made.contact_id
    assert found.key == str(made.contact_id)


def test_no_key_at_all_is_refused(people: People) -> None:
    with pytest.raises(InvalidInput, match="email or userId is required"):
        people.resolve(Keys())


def test_observation_makes_nobody_and_is_adopted_later(people: People) -> None:
    observed = people.send("page", anonymous_id="A", may_create=False, anonymous_only=True)
    made = people.put("U", anonymous_id="A")

    assert observed.contact_id is None
    assert observed.contact_key == "A"
    assert people.rows("SELECT user_id, contact_id FROM user_events") == [("A", made.contact_id)]


def test_observation_by_two_keys_ties_nobody_together(people: People) -> None:
    user = people.put("U")
    people.put(email="e@x.co")

    known = people.send("opened", user_id="U", email="e@x.co", may_create=False)
    unknown = people.send("opened", user_id="U", email="new@x.co", may_create=False)

    assert known.contact_id == unknown.contact_id == user.contact_id
    assert people.living() == [("U", None, None), (None, "e@x.co", None)]


@pytest.mark.parametrize("anonymous_id", ["A", "U", "<id>"])
def test_anonymous_caller_reaches_no_identified_person(people: People, anonymous_id: str) -> None:
    person = people.put("U", "e@x.co", "A")
    before = people.contact(person.contact_id)
    value = str(person.contact_id) if anonymous_id == "<id>" else anonymous_id

    for may_create in (True, False):
        with pytest.raises(NotAllowed, match="identified contact"):
            people.send(anonymous_id=value, may_create=may_create, anonymous_only=True)
    with pytest.raises(NotAllowed, match="identified contact"):
        people.put(anonymous_id=value, policy=Policy(anonymous_only=True))

    assert people.contact(person.contact_id) == before
    assert people.rows("SELECT 1 FROM user_events") == []


def test_pinned_event_follows_a_merge_and_is_dropped_after_a_deletion(people: People) -> None:
    loser = people.put(email="e@x.co")
    winner = people.put("U")
    people.put("U", "e@x.co")

    followed = people.send(user_id="somebody else", contact_id=loser.contact_id)
    people.rows("UPDATE contacts SET deleted_at = now()")
    people.rows("DELETE FROM contact_aliases")
    dropped = people.send(user_id="U", contact_id=winner.contact_id)

    assert followed.contact_id == winner.contact_id
    assert followed.contact_key == "U"
    assert not dropped.stored
    assert people.one("SELECT count(*) FROM user_events") == 1


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"y": 2}}),
        ({"a": 1}, {"a": {"x": None}}, {"a": {"x": None}}),
        ({"discord": {"x": 1, "y": 2}}, {"discord": {"y": None, "z": 3}},
         {"discord": {"x": 1, "z": 3}}),
        ({"telegram": {"x": 1}}, {"telegram": "off"}, {"telegram": "off"}),
        ({"telegram": {"x": 1}}, {"telegram": None}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, None, {"a": 1}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["event", "put"])
def test_property_patch_is_laid_over(
    people: People,
    way: str,
    before: dict[str, object],
    patch: dict[str, object] | None,
    after: dict[str, object],
) -> None:
    person = people.put("U", patch=before)

    if way == "event":
        people.send(user_id="U", contact_properties=patch)
    else:
        people.put("U", patch=patch)

    assert people.contact(person.contact_id)["properties"] == after


def test_null_of_a_new_person_is_no_property(people: People) -> None:
    event = people.send(user_id="U", contact_properties={"a": None, "b": {"c": None}})

    assert people.contact(event.contact_id)["properties"] == {"b": {"c": None}}


def test_source_is_the_first_one_and_timezone_the_last(people: People) -> None:
    person = people.put("U", source="import", timezone="Europe/Berlin")
    people.put("U", source="api", timezone="Asia/Tokyo")
    people.send(user_id="U", source="inapp")

    row = people.contact(person.contact_id)

    assert (row["source"], row["timezone"]) == ("import", "Asia/Tokyo")
    assert row["sourced_at"] is not None


def test_returned_flags_say_what_happened(people: People) -> None:
    created = people.put("U")
    linked = people.put("U", "e@x.co")
    people.put(anonymous_id="A", email="a@x.co")
    merged = people.put("U", anonymous_id="A")

    assert (created.created, created.linked, created.merged) == (True, False, False)
    assert (linked.created, linked.linked, linked.merged) == (False, True, False)
    assert (merged.created, merged.linked, merged.merged) == (False, True, True)
    assert merged.merged_keys == ("A",)


def _page(people: People, **properties: object) -> None:
    people.send(
        "page",
        anonymous_id="A",
        may_create=False,
        anonymous_only=True,
        contact_properties=properties,
    )


def test_what_a_page_said_before_is_laid_under_what_is_known(people: People) -> None:
    _page(people, plan="free", city="Rome", gone=1)
    _page(people, city="Oslo", gone=None)

    made = people.put("U", anonymous_id="A", patch={"plan": "pro"})

    assert people.contact(made.contact_id)["properties"] == {"plan": "pro", "city": "Oslo"}
    assert people.rows("SELECT 1 FROM anonymous_drafts") == []


def test_draft_joins_a_known_person_and_null_of_the_call_wins(people: People) -> None:
    made = people.put("U", patch={"plan": "pro"})
    _page(people, plan="free", city="Rome", ref="ad")

    people.send(user_id="U", anonymous_id="A", contact_properties={"ref": None})

    assert people.contact(made.contact_id)["properties"] == {"plan": "pro", "city": "Rome"}


def test_draft_belongs_to_the_browser_and_not_to_a_user_of_that_name(people: People) -> None:
    _page(people, plan="hacked")

    made = people.put("A")

    assert people.contact(made.contact_id)["properties"] == {}


def test_draft_stops_growing(people: People) -> None:
    for n in range(30):
        _page(people, **{f"k{n}": str(n) * 5000})

    assert 0 < people.one("SELECT pg_column_size(properties) FROM anonymous_drafts") < 70_000


_USERS = st.sampled_from(["u1", "u2", "u3", None])
_EMAILS = st.sampled_from(["e1@x.co", "e2@x.co", None])
_BROWSERS = st.sampled_from(["a1", "a2", None])
_FACTS = st.lists(
    st.builds(lambda u, e, a: Keys(external=u, email=e, anonymous=a), _USERS, _EMAILS, _BROWSERS)
    .filter(bool),
    min_size=1,
    max_size=7,
)  # fmt: skip


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_FACTS, st.booleans())
def test_database_ends_with_the_people_of_the_pure_rules(
    people: People, facts: list[Keys], by_events: bool
) -> None:
    people.rows("TRUNCATE contacts, contact_aliases, user_events CASCADE")
    book = Book()

    for keys in facts:
        book.resolve(keys)
        if by_events:
            people.send(user_id=keys.external, email=keys.email, anonymous_id=keys.anonymous)
        else:
            people.resolve(keys)

    assert people.partition() == book.partition()
    wanted = sorted(
        (one.external_id or "", one.email or "", one.anonymous_id or "")
        for one in book.people.values()
    )
    found = sorted((a or "", b or "", c or "") for a, b, c in people.living())
    assert found == wanted
