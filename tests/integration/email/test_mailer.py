from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hogsend.db import Database, Executor
from hogsend.db.errors import DatabaseUnavailable
from hogsend.email import SendRequest, SendResult
from hogsend.email.mailer import Mailer
from hogsend.email.providers.base import (
    Capabilities,
    ProviderDisputed,
    WireMessage,
)
from hogsend.email.providers.outbox import OutboxProvider
from hogsend.email.templates import TemplateError, UnknownTemplate
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import (
    ProviderPermanent,
    ProviderRejected,
    ProviderTransient,
    ProviderUnknown,
)
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from tests.fakes.mail import (
    OPTIONS,
    RECOGNISING,
    REQUEST,
    TEMPLATES,
    CountingExecutor,
    FakeProvider,
    Killed,
    build,
    expire_lease,
    sql,
)

pytestmark = pytest.mark.integration


def row(db: Executor, columns: str = "status, reason, attempt") -> tuple[Any, ...]:
    (only,) = sql(db, f"SELECT {columns} FROM email_sends")
    return only


def test_send_fresh_mail_is_recorded_in_two_statements(database: Database) -> None:
    provider, counting = FakeProvider(), CountingExecutor(database)

    result = build(counting, provider).send(
        replace(REQUEST, props={"name": "Ada"}, metadata={"a": 1}, user_id="u1")
    )

    (message,) = provider.messages
    assert (result.status, result.reason, result.message_id) == ("sent", None, "m1")
    assert counting.names == ["claim_send", "settle_sent"]
    assert (message.to, message.sender) == ("ada@example.org", OPTIONS.sender)
    assert message.subject == "Welcome, Ada"
    assert message.text.startswith("Welcome, Ada")
    assert message.idempotency_key == f"hs:{result.send_id}"
    assert message.tags["hs_send_id"] == str(result.send_id)
    columns = (
        "id, status, message_id, template_key, from_email, to_email, intended_to, user_id, "
        "user_email, subject, category, provider, attempt, metadata, claimed_by, claimed_until"
    )
    assert row(database, columns) == (
        result.send_id, "sent", "m1", "welcome", OPTIONS.sender, "ada@example.org",
        "ada@example.org", "u1", "ada@example.org", "Welcome, Ada", "journey", "fake", 1,
        {"a": 1}, None, None,
    )  # fmt: skip
    ((is_sent,),) = sql(database, "SELECT sent_at >= handed_over_at FROM email_sends")
    assert is_sent


def test_send_hand_over_is_committed_before_the_provider_is_called(database: Database) -> None:
    seen: list[tuple[Any, ...]] = []

    def look(_: WireMessage) -> None:
        seen.append(row(database, "status, handed_over_at IS NOT NULL, claimed_by IS NOT NULL"))

    build(database, FakeProvider(look)).send(REQUEST)

    assert seen == [("queued", True, True)]


def test_send_repeated_key_answers_the_record(database: Database) -> None:
    provider = FakeProvider()
    mailer = build(database, provider)

    first, second = mailer.send(REQUEST), mailer.send(REQUEST)

    assert second == replace(first, is_duplicate=True)
    assert len(provider.messages) == 1


@pytest.mark.parametrize("status", ["delivered", "opened", "clicked", "bounced", "complained"])
def test_send_repeated_key_after_feedback_is_still_sent(database: Database, status: str) -> None:
    provider = FakeProvider()
    mailer = build(database, provider)
    mailer.send(REQUEST)
    sql(database, "UPDATE email_sends SET status = :status", status=status)

    assert mailer.send(REQUEST).status == "sent"
    assert len(provider.messages) == 1


def test_send_without_key_sends_every_time(database: Database) -> None:
    provider = FakeProvider()
    mailer = build(database, provider)
    request = replace(REQUEST, idempotency_key=None)

    assert mailer.send(request).send_id != mailer.send(request).send_id
    assert len(provider.messages) == 2


def test_send_while_another_driver_holds_the_row_is_held(database: Database) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def block(_: WireMessage) -> None:
        reached.set()
        assert go_on.wait(10)

    provider = FakeProvider(block, capabilities=RECOGNISING)
    mailer = build(database, provider)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(mailer.send, REQUEST)
        assert reached.wait(10)
        second = mailer.send(REQUEST)
        go_on.set()

        assert second.status == "held"
        assert first.result().status == "sent"
    assert mailer.send(REQUEST) == replace(first.result(), is_duplicate=True)
    assert len(provider.messages) == 1


def test_send_many_threads_with_one_key_call_the_provider_once(database: Database) -> None:
    provider = FakeProvider(capabilities=RECOGNISING)
    mailer = build(database, provider)
    start = threading.Barrier(6)

    def send(index: int) -> list[SendResult]:
        results = []
        for turn in range(10):
            start.wait(10)
            results.append(mailer.send(replace(REQUEST, idempotency_key=f"race-{turn}")))
        return results

    with ThreadPoolExecutor(6) as pool:
        results = [result for part in pool.map(send, range(6)) for result in part]

    assert len(provider.messages) == 10
    assert {result.status for result in results} <= {"sent", "held"}
    assert sql(database, "SELECT count(*) FROM email_sends WHERE status = 'sent'") == [(10,)]


def test_send_crash_after_hand_over_is_unknown_without_recognition(database: Database) -> None:
    provider = FakeProvider(Killed())
    mailer = build(database, provider)
    with pytest.raises(Killed):
        mailer.send(REQUEST)

    while_leased = mailer.send(REQUEST)
    expire_lease(database)
    after = mailer.send(REQUEST)
    again = mailer.send(REQUEST)

    assert while_leased.status == "held"
    assert (after.status, after.reason) == ("unknown", "answer_lost")
    assert again == replace(after, is_duplicate=True)
    assert len(provider.messages) == 1


def test_send_crash_after_hand_over_is_repeated_with_recognition(database: Database) -> None:
    provider = FakeProvider(Killed(), capabilities=RECOGNISING)
    mailer = build(database, provider)
    with pytest.raises(Killed):
        mailer.send(REQUEST)
    expire_lease(database)

    result = mailer.send(REQUEST)

    first, second = provider.messages
    assert result.status == "sent"
    assert first == second
    assert row(database) == ("sent", None, 2)


def test_send_crash_longer_ago_than_recognition_is_unknown(database: Database) -> None:
    provider = FakeProvider(Killed(), capabilities=RECOGNISING)
    mailer = build(database, provider)
    with pytest.raises(Killed):
        mailer.send(REQUEST)
    expire_lease(database)
    sql(database, "UPDATE email_sends SET handed_over_at = now() - interval '61 minutes'")

    assert mailer.send(REQUEST).status == "unknown"
    assert len(provider.messages) == 1


def test_send_crash_after_hand_over_then_opt_out_is_not_repeated(database: Database) -> None:
    provider = FakeProvider(Killed(), capabilities=RECOGNISING)
    mailer = build(database, provider)
    with pytest.raises(Killed):
        mailer.send(REQUEST)
    expire_lease(database)
    suppress(database, "ada@example.org")

    assert mailer.send(REQUEST).status == "unknown"
    assert len(provider.messages) == 1


def test_send_database_lost_after_the_yes_leaves_one_mail_in_the_outbox(
    database: Database, tmp_path: Path
) -> None:
    counting = CountingExecutor(database, failing=["settle_sent"] * 2)
    mailer = build(counting, OutboxProvider(tmp_path))
    with pytest.raises(DatabaseUnavailable):
        mailer.send(REQUEST)

    held = mailer.send(REQUEST)
    expire_lease(database)
    result = mailer.send(REQUEST)

    assert (held.status, result.status) == ("held", "sent")
    assert [file.name for file in tmp_path.iterdir()] == [f"{result.send_id}.eml"]


def test_send_database_blinks_after_the_yes_is_sent(database: Database) -> None:
    counting = CountingExecutor(database, failing=["settle_sent"])

    assert build(counting, FakeProvider()).send(REQUEST).status == "sent"
    assert row(database) == ("sent", None, 1)


def test_send_late_yes_corrects_unknown(database: Database) -> None:
    def give_up(_: WireMessage) -> None:
        expire_lease(database)
        assert build(database, FakeProvider()).send(REQUEST).status == "unknown"

    result = build(database, FakeProvider(give_up)).send(REQUEST)

    assert result.status == "sent"
    assert row(database, "status, message_id") == ("sent", "m1")


def test_send_transient_refusal_raises_and_the_same_key_tries_again(database: Database) -> None:
    provider = FakeProvider(ProviderTransient("busy", retry_after_seconds=7))
    mailer = build(database, provider)

    with pytest.raises(ProviderTransient) as caught:
        mailer.send(REQUEST)
    between = row(database, "status, reason, handed_over_at, claimed_by")
    result = mailer.send(REQUEST)

    assert caught.value.retry_after_seconds == 7
    assert between == ("queued", "provider_transient: busy", None, None)
    assert result.status == "sent"
    assert row(database) == ("sent", None, 2)


def test_send_transient_refusal_without_key_is_over(database: Database) -> None:
    mailer = build(database, FakeProvider(ProviderTransient("busy")))

    with pytest.raises(ProviderTransient):
        mailer.send(replace(REQUEST, idempotency_key=None))

    assert row(database)[0] == "failed"


def test_send_transient_after_lost_answer_keeps_the_doubt(database: Database) -> None:
    provider = FakeProvider(
        ProviderUnknown("lost"), ProviderTransient("busy"), capabilities=RECOGNISING
    )
    mailer = build(database, provider)
    with pytest.raises(ProviderUnknown):
        mailer.send(REQUEST)
    with pytest.raises(ProviderTransient):
        mailer.send(REQUEST)

    # The provider is changed for one that recognises nothing: nobody can know any more.
    result = build(database, FakeProvider()).send(REQUEST)

    assert result.status == "unknown"


def test_send_lost_answer_is_repeated_with_the_same_key(database: Database) -> None:
    provider = FakeProvider(ProviderUnknown("lost"), capabilities=RECOGNISING)
    mailer = build(database, provider)
    with pytest.raises(ProviderUnknown):
        mailer.send(REQUEST)

    result = mailer.send(REQUEST)

    assert result.status == "sent"
    assert provider.messages[0] == provider.messages[1]


@pytest.mark.parametrize(
    ("error", "capabilities"),
    [
        (ProviderUnknown("lost"), Capabilities()),
        (ProviderDisputed("other body"), RECOGNISING),
        (RuntimeError("bug"), Capabilities()),
    ],
)
def test_send_doubt_that_nothing_can_lift_is_unknown(
    database: Database, error: Exception, capabilities: Capabilities
) -> None:
    provider = FakeProvider(error, capabilities=capabilities)
    mailer = build(database, provider)

    first, second = mailer.send(REQUEST), mailer.send(REQUEST)

    assert first.status == second.status == "unknown"
    assert len(provider.messages) == 1


def test_send_rejected_mail_is_failed_and_releases_its_key(database: Database) -> None:
    provider = FakeProvider(ProviderRejected("no such user", code="smtp_recipient_refused"))
    mailer = build(database, provider)

    first = mailer.send(REQUEST)
    between = row(database)
    second = mailer.send(REQUEST)

    assert (first.status, first.reason) == ("failed", "smtp_recipient_refused: no such user")
    assert between == ("failed", first.reason, 1)
    assert (second.status, second.send_id) == ("sent", first.send_id)


def test_send_permanent_refusal_raises_and_can_be_driven_after_the_repair(
    database: Database,
) -> None:
    provider = FakeProvider(ProviderPermanent("bad key"))
    mailer = build(database, provider)

    with pytest.raises(ProviderPermanent):
        mailer.send(REQUEST)
    between = row(database)
    result = mailer.send(REQUEST)

    assert between == ("failed", "provider_permanent: bad key", 1)
    assert result.status == "sent"


def test_send_template_failure_stores_and_sends_nothing(database: Database, tmp_path: Path) -> None:
    (tmp_path / "broken.html").write_text("---\nsubject: Hi\n---\n{{ plan }}")
    provider = FakeProvider()
    mailer = build(database, provider, templates=TemplateRegistry.load([tmp_path]))

    with pytest.raises(TemplateError, match="'plan'"):
        mailer.send(replace(REQUEST, template="broken"))
    with pytest.raises(UnknownTemplate):
        mailer.send(replace(REQUEST, template="nowhere"))

    assert provider.messages == []
    assert sql(database, "SELECT count(*) FROM email_sends") == [(0,)]


def test_send_template_removed_after_the_send_answers_the_record(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "gone.html").write_text("---\nsubject: Hi\n---\nx")
    provider = FakeProvider()
    request = replace(REQUEST, template="gone")
    first = build(database, provider, templates=TemplateRegistry.load([tmp_path])).send(request)

    assert build(database, provider).send(request) == replace(first, is_duplicate=True)


def test_send_bad_address_is_failed_without_the_provider(database: Database) -> None:
    provider = FakeProvider()

    result = build(database, provider).send(replace(REQUEST, to="nobody\0@nowhere"))

    assert (result.status, result.reason) == ("failed", "invalid_address")
    assert provider.messages == []


def test_send_outcome_is_told_to_the_observer(database: Database) -> None:
    told: list[tuple[str, str, str]] = []

    def observe(*, provider: str, template: str, outcome: str) -> None:
        told.append((provider, template, outcome))

    mailer = Mailer(
        database,
        provider=FakeProvider(ProviderTransient("busy")),
        templates=TEMPLATES,
        options=OPTIONS,
        clock=SystemClock(),
        new_id=uuid7,
        observe=observe,
    )
    with pytest.raises(ProviderTransient):
        mailer.send(REQUEST)
    mailer.send(REQUEST)

    assert told == [("fake", "welcome", "provider_transient"), ("fake", "welcome", "sent")]


def test_send_contact_is_found_by_user_id(database: Database) -> None:
    ((contact,),) = sql(database, "INSERT INTO contacts (external_id) VALUES ('u1') RETURNING id")
    mailer = build(database, FakeProvider())

    mailer.send(replace(REQUEST, user_id="u1"))

    assert row(database, "contact_id") == (contact,)


def suppress(db: Executor, email: str) -> None:
    sql(
        db,
        "INSERT INTO email_suppressions (email, reason, suppressed_at) "
        "VALUES (:email, 'bounce', now())",
        email=email,
    )


def prefer(
    db: Executor,
    email: str,
    values: Mapping[str, object] | None = None,
    *,
    contact_id: UUID | None = None,
) -> None:
    given: dict[str, object] = {"unsubscribed_all": False, "suppressed": False, "categories": {}}
    sql(
        db,
        "INSERT INTO email_preferences "
        "(user_id, email, contact_id, unsubscribed_all, suppressed, categories) VALUES "
        "('u1', :email, :contact_id, :unsubscribed_all, :suppressed, CAST(:categories AS jsonb))",
        email=email,
        contact_id=contact_id,
        **{**given, **(values or {})},
    )


def test_send_to_suppressed_address_is_recorded_and_never_sent(database: Database) -> None:
    suppress(database, "ada@example.org")
    provider = FakeProvider()
    mailer = build(database, provider)

    first, second = mailer.send(REQUEST), mailer.send(REQUEST)

    assert (first.status, first.reason) == ("suppressed", "suppressed")
    assert second == replace(first, is_duplicate=True)
    assert row(database, "status, attempt, handed_over_at, claimed_by") == (
        "suppressed", 0, None, None,
    )  # fmt: skip
    assert provider.messages == []


@pytest.mark.parametrize(
    ("preference", "category", "reason"),
    [
        ({"suppressed": True, "unsubscribed_all": True}, None, "suppressed"),
        ({"unsubscribed_all": True, "categories": {"news": False}}, "news", "unsubscribed"),
        ({"unsubscribed_all": True}, "transactional", None),
        ({"categories": {"transactional": False}}, "transactional", None),
        ({"suppressed": True}, "transactional", "suppressed"),
        ({"categories": {"news": False}}, "news", "category_unsubscribed"),
        ({"categories": {"journey": False}}, None, "category_unsubscribed"),
        ({"categories": {"news": False}}, "other", None),
        ({"categories": {"news": True}}, "news", None),
    ],
)
def test_send_preference_table(
    database: Database, preference: dict[str, object], category: str | None, reason: str | None
) -> None:
    prefer(database, "ada@example.org", preference)

    result = build(database, FakeProvider()).send(replace(REQUEST, category=category))

    status = {None: "sent", "suppressed": "suppressed"}.get(reason, "unsubscribed")
    assert (result.status, result.reason) == (status, reason)


def test_send_preference_of_the_contact_counts_for_every_address(database: Database) -> None:
    contact = uuid7()
    prefer(database, "old@example.org", {"unsubscribed_all": True}, contact_id=contact)
    prefer(database, "ada@example.org")

    result = build(database, FakeProvider()).send(replace(REQUEST, contact_id=contact))

    assert result.reason == "unsubscribed"


def test_send_skipped_preference_check_sends_anyway(database: Database) -> None:
    prefer(database, "ada@example.org", {"unsubscribed_all": True})

    result = build(database, FakeProvider()).send(replace(REQUEST, skip_preference_check=True))

    assert result.status == "sent"


def test_send_counted_bounce_below_the_threshold_does_not_block(database: Database) -> None:
    sql(
        database,
        "INSERT INTO email_suppressions (email, reason, bounce_count) "
        "VALUES ('ada@example.org', 'bounce', 1)",
    )

    assert build(database, FakeProvider()).send(REQUEST).status == "sent"


def test_send_test_mode_redirects_and_remembers_the_person(database: Database) -> None:
    provider = FakeProvider(capabilities=Capabilities(test_sender="onboarding@resend.dev"))
    options = replace(OPTIONS, is_test=True, test_inbox="me@example.com")

    result = build(database, provider, options=options).send(REQUEST)

    (message,) = provider.messages
    assert result.status == "sent"
    assert (message.to, message.sender) == ("me@example.com", "onboarding@resend.dev")
    assert message.subject == "[TEST → ada@example.org] Welcome"
    columns = "to_email, intended_to, user_email, from_email, subject, metadata"
    assert row(database, columns) == (
        "me@example.com", "ada@example.org", "ada@example.org", "onboarding@resend.dev",
        message.subject, {"testMode": True, "originalTo": "ada@example.org"},
    )  # fmt: skip


def test_send_test_mode_without_inbox_blocks(database: Database) -> None:
    provider = FakeProvider()

    result = build(database, provider, options=replace(OPTIONS, is_test=True)).send(REQUEST)

    assert (result.status, result.reason) == ("skipped", "test_mode_blocked")
    assert row(database, "metadata") == ({"testMode": True, "originalTo": "ada@example.org"},)
    assert provider.messages == []


def test_send_test_mode_asks_for_the_persons_consent_not_the_inboxs(database: Database) -> None:
    suppress(database, "me@example.com")
    options = replace(OPTIONS, is_test=True, test_inbox="me@example.com")
    mailer = build(database, FakeProvider(), options=options)

    redirected = mailer.send(REQUEST)
    suppress(database, "eve@example.org")
    refused = mailer.send(SendRequest(template="welcome", to="eve@example.org"))

    assert redirected.status == "sent"
    assert refused.reason == "suppressed"
