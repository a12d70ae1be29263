from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from hogsend.client import (
    BadRequest,
    Conflict,
    Event,
    Forbidden,
    Hogsend,
    NotFound,
    Unauthorized,
)
from hogsend.container.api import ApiContainer
from hogsend.db import Query

pytestmark = pytest.mark.integration


def test_event_is_stored_once_however_often_it_is_sent(client: Hogsend) -> None:
    event = Event(
        name="order.paid",
        user_id="u1",
        email="ada@example.com",
        properties={"total": 42, "at": datetime(2026, 1, 1, tzinfo=UTC), "id": uuid4()},
        value=Decimal("42.50"),
        currency="EUR",
        groups={"company": "acme"},
        occurred_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
        idempotency_key="order-1",
    )

    first, second = client.events.send_event(event), client.events.send_event(event)

    assert (first.stored, first.contact_key, first.exits) == (True, "u1", ())
    assert second.stored is False
    assert client.groups.get("company", "acme").group_key == "acme"


def test_event_under_a_used_key_names_the_difference(client: Hogsend) -> None:
    client.events.send("a", user_id="u1", idempotency_key="k")

    with pytest.raises(Conflict) as caught:
        client.events.send("b", user_id="u1", idempotency_key="k")

    assert caught.value.code == "idempotency_key_reused"
    assert caught.value.hint == "use a new key for a new event"
    assert caught.value.message.endswith("different: name")
    assert caught.value.request_id


def test_batch_reports_each_event(client: Hogsend) -> None:
    items = client.events.send_many(
        [Event(name="a", user_id="u1"), Event(name="", user_id="u1"), Event(name="b", email="x")]
    )

    assert [item.status for item in items] == [202, 400, 400]
    assert items[0].result is not None
    assert items[1].error == "Invalid event"


def test_contact_round_trips(client: Hogsend) -> None:
    made = client.contacts.upsert(
        user_id="u1", email="ada@example.com", properties={"plan": "pro"}, idempotency_key="c1"
    )
    again = client.contacts.upsert(
        user_id="u1", email="ada@example.com", properties={"plan": "pro"}, idempotency_key="c1"
    )

    found = client.contacts.find(email="ADA@example.com")

    assert made.created
    assert again == made  # the first answer again, not "linked"
    assert [(c.id, c.external_id, c.properties) for c in found] == [
        (made.id, "u1", {"plan": "pro"})
    ]
    assert found[0].created_at.tzinfo is not None
    client.contacts.delete(user_id="u1")
    assert client.contacts.find(user_id="u1") == []
    with pytest.raises(NotFound):
        client.contacts.delete(user_id="u1")


def test_lists_are_joined_and_left(client: Hogsend) -> None:
    person = {"user_id": "u1", "email": "ada@example.com"}
    channel = client.lists.list()[-1].id

    client.lists.unsubscribe(channel, **person)
    left = {found.id: found.subscribed for found in client.lists.list(user_id="u1")}
    client.lists.subscribe(channel, user_id="u1")
    client.lists.unsubscribe_all(user_id="u1")

    assert left[channel] is False
    preferences = client.lists.preferences(email="ada@example.com")
    assert preferences.categories == {channel: True}
    assert preferences.unsubscribed_all
    with pytest.raises(NotFound, match="Unknown list: a/b"):
        client.lists.subscribe("a/b", user_id="u1")


def test_groups_round_trip_with_names_that_need_encoding(client: Hogsend) -> None:
    contact = client.contacts.upsert(user_id="u1").id

    group = client.groups.identify("company", "a/b ü", properties={"plan": "team"})
    added = [client.groups.add_member("company", "a/b ü", contact, role="owner") for _ in (1, 2)]
    members = client.groups.list_members("company", "a/b ü")

    assert client.groups.get("company", "a/b ü") == group
    assert client.groups.list(group_type="company") == (group,)
    assert added == [True, False]
    assert [(m.contact_id, m.role) for m in members] == [(contact, "owner")]
    assert client.groups.remove_member("company", "a/b ü", contact)
    assert not client.groups.remove_member("company", "a/b ü", contact)


def test_mail_is_recorded_once(client: Hogsend, container: ApiContainer) -> None:
    results = [
        client.emails.send(
            "welcome", to="ada@example.com", props={"name": "Ada"}, idempotency_key="m1"
        )
        for _ in range(2)
    ]

    assert results[0].send_id == results[1].send_id is not None
    assert container.db.run(Query("t", "SELECT count(*) FROM email_sends")) == [(1,)]


def test_other_mail_under_a_used_key_is_refused(client: Hogsend) -> None:
    client.emails.send("welcome", to="ada@example.com", idempotency_key="m1")

    with pytest.raises(Conflict, match="different: to"):
        client.emails.send("welcome", to="eve@example.com", idempotency_key="m1")


def test_refusals_are_errors_of_their_own(client: Hogsend, base_url: str) -> None:
    with Hogsend(base_url, "hsk_wrong") as stranger, pytest.raises(Unauthorized):
        stranger.lists.list()
    with pytest.raises(Forbidden) as forbidden:
        client.emails.send("welcome", to="a@b.example", skip_preference_check=True)
    with pytest.raises(BadRequest) as bad:
        client.contacts.upsert(email="no address")

    assert forbidden.value.status == 403
    assert bad.value.issues[0]["path"] == ["email"]
    assert "email" in bad.value.message


def test_nobody_is_refused_before_anything_is_sent(client: Hogsend) -> None:
    for call in (
        lambda: client.events.send("a"),
        lambda: client.contacts.upsert(),
        lambda: client.contacts.delete(),
        lambda: client.lists.subscribe("x"),
        lambda: client.emails.send("welcome"),
    ):
        with pytest.raises(TypeError):
            call()
