from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest

from hogsend.db import Database, Executor
from hogsend.email import SendRequest
from hogsend.email.mailer import MailerOptions
from hogsend.email.pacing import Rate, RateLimits
from hogsend.email.policy import Cap, FrequencyCaps, SendPolicy, SendWindow
from hogsend.errors import ProviderTransient
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.ids import uuid7
from tests.fakes.mail import OPTIONS, REQUEST, FakeBatchProvider, FakeProvider, build, sql

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


def capped(count: int, **by_category: int) -> MailerOptions:
    caps = FrequencyCaps(
        overall=Cap(count=count, window=DAY),
        by_category={name: Cap(count=n, window=DAY) for name, n in by_category.items()},
    )
    return replace(OPTIONS, policy=SendPolicy(caps=caps))


def keyed(n: int, **changes: object) -> SendRequest:
    return replace(REQUEST, idempotency_key=f"k{n}", **changes)  # type: ignore[arg-type]  # fields


def count(db: Executor) -> int:
    return int(sql(db, "SELECT count(*) FROM email_sends")[0][0])


def test_cap_stops_the_mail_after_the_last_allowed_one_without_a_row(database: Database) -> None:
    provider = FakeProvider()
    mailer = build(database, provider, options=capped(2))

    results = [mailer.send(keyed(n)) for n in range(3)]

    assert [(r.status, r.reason) for r in results] == [
        ("sent", None),
        ("sent", None),
        ("skipped", "frequency_capped"),
    ]
    assert results[2].send_id is None
    assert count(database) == len(provider.messages) == 2


def test_cap_does_not_overshoot_when_many_send_at_once(database: Database) -> None:
    provider = FakeProvider()
    mailer = build(database, provider, options=capped(3))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: mailer.send(keyed(n)), range(24)))

    assert [r.status for r in results].count("sent") == 3
    assert len(provider.messages) == 3


def test_cap_holds_inside_one_batch_and_across_batches(database: Database) -> None:
    provider = FakeBatchProvider()
    mailer = build(database, provider, options=capped(3))

    def send(start: int) -> list[str]:
        answers = mailer.send_many([keyed(n) for n in range(start, start + 10)])
        return [getattr(answer, "status", "error") for answer in answers]

    with ThreadPoolExecutor(4) as pool:
        statuses = [s for part in pool.map(send, range(0, 40, 10)) for s in part]

    assert statuses.count("sent") == 3
    assert len(provider.messages) == 3


def test_cap_repeated_key_is_answered_before_the_cap_is_asked(database: Database) -> None:
    mailer = build(database, FakeProvider(), options=capped(1))
    first = mailer.send(keyed(1))

    again = mailer.send(keyed(1))

    assert (again.status, again.send_id, again.is_duplicate) == ("sent", first.send_id, True)


def test_cap_counts_neither_failed_nor_suppressed_mail(database: Database) -> None:
    provider = FakeProvider(ProviderTransient("busy"))
    mailer = build(database, provider, options=capped(1))
    with pytest.raises(ProviderTransient):
        mailer.send(replace(REQUEST, idempotency_key=None))
    sql(
        database,
        "INSERT INTO email_sends (from_email, to_email, intended_to, subject, status) "
        "VALUES ('a', 'ada@example.org', 'ada@example.org', 's', 'suppressed')",
    )

    assert mailer.send(keyed(2)).status == "sent"


def test_cap_counts_the_person_not_the_test_inbox(database: Database) -> None:
    options = replace(capped(1), is_test=True, test_inbox="me@example.com")
    mailer = build(database, FakeProvider(), options=options)

    first = mailer.send(keyed(1))
    other = mailer.send(keyed(2, to="eve@example.org"))
    again = mailer.send(keyed(3))

    assert (first.status, other.status, again.reason) == ("sent", "sent", "frequency_capped")


def test_cap_of_a_category_counts_only_its_own(database: Database) -> None:
    mailer = build(database, FakeProvider(), options=capped(5, news=1))

    results = [
        mailer.send(keyed(1, category="news")),
        mailer.send(keyed(2, category="news")),
        mailer.send(keyed(3, category="tips")),
        mailer.send(keyed(4, category="transactional")),
    ]

    assert [r.status for r in results] == ["sent", "skipped", "sent", "sent"]


def test_cap_window_ends(database: Database) -> None:
    clock = VirtualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    mailer = build(database, FakeProvider(), options=capped(1), clock=clock)
    mailer.send(keyed(1))

    refused = mailer.send(keyed(2))
    clock.advance(DAY + timedelta(seconds=1))
    allowed = mailer.send(keyed(3))

    assert (refused.status, allowed.status) == ("skipped", "sent")


def enrollment(db: Executor, journey: str) -> UUID:
    state = uuid7()
    sql(
        db,
        "INSERT INTO journey_states (id, journey_id, user_id) VALUES (:id, :journey, :user_id)",
        id=state,
        journey=journey,
        user_id=str(state),
    )
    return state


def test_min_gap_counts_the_journey_through_every_enrollment(database: Database) -> None:
    mailer = build(database, FakeProvider())
    first, second, other = (enrollment(database, j) for j in ("a", "a", "b"))

    def send(n: int, state: UUID, journey: str) -> tuple[str, str | None]:
        request = keyed(n, journey_state_id=state, journey_id=journey, min_gap=DAY)
        result = mailer.send(request)
        return result.status, result.reason

    assert send(1, first, "a") == ("sent", None)
    assert send(2, second, "a") == ("skipped", "journey_suppressed")
    assert send(3, other, "b") == ("sent", None)
    assert send(1, first, "a") == ("sent", None)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("active", ("sent", None)),
        ("completed", ("sent", None)),
        ("failed", ("sent", None)),
        ("exited", ("skipped", "journey_exited")),
    ],
)
@pytest.mark.parametrize("category", [None, "transactional"])
def test_enrollment_that_was_left_sends_nothing_more(
    database: Database, state: str, expected: tuple[str, str | None], category: str | None
) -> None:
    provider = FakeBatchProvider()
    mailer = build(database, provider)
    inside = enrollment(database, "a")
    sql(database, "UPDATE journey_states SET status = :status", status=state)

    one = mailer.send(keyed(1, journey_state_id=inside, category=category))
    two, unlinked = mailer.send_many(
        [keyed(2, journey_state_id=inside, category=category), keyed(3, category=category)]
    )

    assert (one.status, one.reason) == expected
    assert (getattr(two, "status", two), getattr(two, "reason", two)) == expected
    assert getattr(unlinked, "status", unlinked) == "sent"
    assert count(database) == (3 if expected[0] == "sent" else 1)


def test_mail_a_provider_put_off_is_not_sent_after_the_person_left(database: Database) -> None:
    provider = FakeProvider(ProviderTransient("busy", code="busy"))
    mailer = build(database, provider)
    request = keyed(1, journey_state_id=enrollment(database, "a"))
    with pytest.raises(ProviderTransient):
        mailer.send(request)
    sql(database, "UPDATE journey_states SET status = 'exited'")

    result = mailer.send(request)

    assert result.reason == "journey_exited"
    assert sql(database, "SELECT status, reason FROM email_sends") == [
        ("suppressed", "journey_exited")
    ]
    assert len(provider.messages) == 1


def test_opt_in_list_refuses_whoever_never_answered(database: Database) -> None:
    policy = SendPolicy(is_opt_in=lambda category: category == "news")
    mailer = build(database, FakeProvider(), options=replace(OPTIONS, policy=policy))

    stranger = mailer.send(keyed(1, category="news"))
    other = mailer.send(keyed(2, category="tips"))
    sql(
        database,
        "INSERT INTO email_preferences (user_id, email, categories) "
        "VALUES ('u1', 'ada@example.org', '{\"news\": true}')",
    )
    member = mailer.send(keyed(3, category="news"))
    released = mailer.send(keyed(1, category="news"))

    assert (stranger.status, stranger.reason) == ("unsubscribed", "category_unsubscribed")
    assert (other.status, member.status) == ("sent", "sent")
    assert (released.status, released.send_id) == ("sent", stranger.send_id)


def test_suppressed_mail_is_not_stored_twice_and_releases_its_key(database: Database) -> None:
    sql(
        database,
        "INSERT INTO email_suppressions (email, reason, suppressed_at) "
        "VALUES ('ada@example.org', 'bounce', now())",
    )
    provider = FakeProvider()
    mailer = build(database, provider)
    first, second = mailer.send(keyed(1)), mailer.send(keyed(1))
    rows = count(database)
    sql(database, "DELETE FROM email_suppressions")

    third = mailer.send(keyed(1))

    assert (first.status, second.status, rows) == ("suppressed", "suppressed", 1)
    assert (third.status, third.send_id) == ("sent", first.send_id)
    assert len(provider.messages) == 1


def test_control_group_is_skipped_after_suppression_and_before_the_cap(
    database: Database,
) -> None:
    policy = SendPolicy(control_percent=15.0)
    member = next(f"u{n}" for n in range(1000) if policy.in_control_group(f"u{n}"))
    mailer = build(database, FakeProvider(), options=replace(OPTIONS, policy=policy))

    skipped = mailer.send(keyed(1, user_id=member))
    transactional = mailer.send(keyed(2, user_id=member, category="transactional"))
    sql(
        database,
        "INSERT INTO email_suppressions (email, reason, suppressed_at) "
        "VALUES ('ada@example.org', 'bounce', now())",
    )
    suppressed = mailer.send(keyed(3, user_id=member))

    assert (skipped.status, skipped.reason, skipped.send_id) == ("skipped", "control_group", None)
    assert transactional.status == "sent"
    assert suppressed.reason == "suppressed"


def test_window_defers_until_it_opens_in_the_persons_zone(database: Database) -> None:
    clock = VirtualClock(datetime(2026, 3, 2, 5, tzinfo=UTC))
    policy = SendPolicy(window=SendWindow(start=time(8), end=time(21), timezone="UTC"))
    provider = FakeProvider()
    mailer = build(database, provider, options=replace(OPTIONS, policy=policy), clock=clock)

    home = mailer.send(keyed(1))
    tokyo = mailer.send(keyed(2, timezone="Asia/Tokyo"))  # 14:00 there
    receipt = mailer.send(keyed(3, category="transactional"))
    rows = count(database)
    clock.advance(timedelta(hours=3))
    later = mailer.send(keyed(1))

    assert (home.status, home.reason) == ("deferred", "send_window")
    assert home.retry_at == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert (tokyo.status, receipt.status, rows) == ("sent", "sent", 2)
    assert later.status == "sent"


def test_rate_defers_and_the_reserved_turn_is_honoured(database: Database) -> None:
    clock = VirtualClock()
    options = replace(
        OPTIONS, rates=RateLimits(provider=Rate(per_second=0.1)), patience=timedelta(0)
    )
    provider = FakeProvider()
    mailer = build(database, provider, options=options, clock=clock)

    first, second, third = (mailer.send(keyed(n)) for n in range(3))
    clock.advance(timedelta(seconds=10))
    back = mailer.send(keyed(1))
    early = mailer.send(keyed(2))

    assert first.status == "sent"
    assert (second.status, second.reason) == ("deferred", "rate_limited")
    assert second.retry_at is not None
    assert third.retry_at is not None
    assert third.retry_at - second.retry_at == timedelta(seconds=10)
    assert (back.status, early.status) == ("sent", "deferred")
    assert len(provider.messages) == 2


def test_rate_does_not_hide_that_a_mail_is_suppressed(database: Database) -> None:
    options = replace(
        OPTIONS, rates=RateLimits(provider=Rate(per_second=0.001)), patience=timedelta(0)
    )
    mailer = build(database, FakeProvider(), options=options)
    mailer.send(keyed(1))
    sql(
        database,
        "INSERT INTO email_suppressions (email, reason, suppressed_at) "
        "VALUES ('ada@example.org', 'bounce', now())",
    )

    assert mailer.send(keyed(2)).reason == "suppressed"


def test_short_turn_is_waited_for(database: Database) -> None:
    clock = VirtualClock()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(timedelta(seconds=seconds))

    options = replace(OPTIONS, rates=RateLimits(provider=Rate(per_second=2)))
    mailer = build(database, FakeProvider(), options=options, clock=clock, sleep=sleep)

    results = [mailer.send(keyed(n)) for n in range(3)]

    assert [r.status for r in results] == ["sent"] * 3
    assert slept == [0.5, 0.5]


def test_batch_takes_one_turn_of_the_provider(database: Database) -> None:
    options = replace(
        OPTIONS, rates=RateLimits(provider=Rate(per_second=0.001)), patience=timedelta(0)
    )
    mailer = build(database, FakeBatchProvider(), options=options, clock=VirtualClock())

    first = mailer.send_many([keyed(n, to=f"p{n}@example.org") for n in range(10)])
    second = mailer.send_many([keyed(n, to=f"p{n}@example.org") for n in range(10, 20)])

    assert {getattr(a, "status", a) for a in first} == {"sent"}
    assert {getattr(a, "reason", a) for a in second} == {"rate_limited"}


NEWS = (
    "sent", "delivered", "opened", "clicked", "failed", "bounced", "complained"
)  # fmt: skip


def test_status_never_goes_back(database: Database) -> None:
    ranks = [sql(database, f"SELECT hogsend.send_status_rank_v1('{s}')")[0][0] for s in NEWS]

    assert ranks == sorted(set(ranks))
    for low, current in enumerate(NEWS):
        for high, news in enumerate(NEWS):
            ((after,),) = sql(
                database, f"SELECT hogsend.advance_send_status_v1('{current}', '{news}')"
            )
            assert after == NEWS[max(low, high)]


@pytest.mark.parametrize("news", ["delivered", "bounced", "complained"])
def test_late_yes_keeps_what_feedback_said_first(database: Database, news: str) -> None:
    def outrun(message: object) -> None:
        sql(
            database,
            "UPDATE email_sends SET status = hogsend.advance_send_status_v1(status, :news)",
            news=news,
        )

    build(database, FakeProvider(outrun)).send(REQUEST)

    assert sql(database, "SELECT status, message_id, claimed_by FROM email_sends") == [
        (news, "m1", None)
    ]
