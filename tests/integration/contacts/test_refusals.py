"""Somebody erased stays unreachable until they want mail again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hogsend.contacts.announce import Silent
from hogsend.contacts.erase import Eraser
from hogsend.contacts.refusals import RefusalHasher
from hogsend.email.policy import SendPolicy
from hogsend.kernel.tokens import TokenSigner
from hogsend.preferences.models import Person
from hogsend.preferences.write import PreferenceWriter
from tests.fakes.mail import OPTIONS, REQUEST, FakeProvider, build
from tests.integration.contacts.people import People

SECRET = "a secret for tests that is long enough"
ADDRESS = "ada@example.com"
TO_ADA = replace(REQUEST, to=ADDRESS)


@pytest.fixture
def hasher() -> RefusalHasher:
    return RefusalHasher(SECRET)


def _erase_refuser(people: People, hasher: RefusalHasher, columns: str) -> None:
    """``ADDRESS`` said no, and was erased."""
    made = people.put("U", ADDRESS)
    people.rows(
        f"INSERT INTO email_preferences (user_id, email, contact_id, {columns})"
        " VALUES ('U', :email, :id, true)",
        email=ADDRESS,
        id=made.contact_id,
    )
    eraser = Eraser(hasher=hasher, signer=TokenSigner(SECRET), announcer=Silent())
    assert made.contact_id is not None
    with people.db.transaction() as tx:
        eraser.erase(tx, made.contact_id, now=datetime(2026, 1, 1, tzinfo=UTC), actor="test")


@pytest.mark.parametrize(
    ("column", "reason"), [("suppressed", "suppressed"), ("unsubscribed_all", "unsubscribed")]
)
def test_mail_to_somebody_erased_who_refused_is_suppressed(
    people: People, hasher: RefusalHasher, column: str, reason: str
) -> None:
    _erase_refuser(people, hasher, column)
    provider = FakeProvider()
    options = replace(OPTIONS, policy=SendPolicy(refusal_hashes=hasher.hashes))

    result = build(people.db, provider, options=options).send(TO_ADA)

    assert result.reason == reason
    assert people.rows("SELECT status, reason FROM email_sends") == [("suppressed", reason)]
    assert provider.messages == []


def test_mail_to_anybody_else_goes_out(people: People, hasher: RefusalHasher) -> None:
    _erase_refuser(people, hasher, "suppressed")
    provider = FakeProvider()
    options = replace(OPTIONS, policy=SendPolicy(refusal_hashes=hasher.hashes))

    result = build(people.db, provider, options=options).send(
        replace(REQUEST, to="somebody-else@example.com")
    )

    assert result.status == "sent"


def test_consent_to_all_mail_ends_unsubscribing_but_not_suppression(
    people: People, hasher: RefusalHasher
) -> None:
    address = ADDRESS
    _erase_refuser(people, hasher, "unsubscribed_all")
    people.rows(
        "INSERT INTO suppression_hashes (hash, kind) VALUES (decode(:hash, 'hex'), 'suppressed')",
        hash=hasher.hash(address),
    )
    writer = PreferenceWriter(people.db, forget_refusal=hasher.forget)

    writer.set_all(Person(user_id="U", email=address), subscribed=False, source="api")
    before = hasher.find(people.db, address)
    writer.set_all(Person(user_id="U", email=address), subscribed=True, source="api")

    assert before == {"suppressed", "unsubscribed"}
    assert hasher.find(people.db, address) == {"suppressed"}
