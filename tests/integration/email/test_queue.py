from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from time import sleep
from uuid import UUID

import pytest

from hogsend.db import Database
from hogsend.email.attachments import Attachment
from hogsend.email.mailer import Mailer
from hogsend.email.policy import SendPolicy, SendWindow
from hogsend.email.providers.base import ProviderReceipt, WireMessage
from hogsend.email.queue import SendQueue, SendTopic
from hogsend.email.redrive import Redrive
from hogsend.email.templates.models import MailLink, RenderedMail
from hogsend.errors import (
    InvalidInput,
    ProviderError,
    ProviderPermanent,
    ProviderRejected,
    ProviderTransient,
    ProviderUnknown,
)
from hogsend.kernel.clock import SystemClock, VirtualClock
from hogsend.kernel.ids import uuid7
from hogsend.orchestrator.port import OrchestratorUnavailable, Run, RunRequest
from hogsend.outbox import Relay
from tests.fakes.mail import (
    OPTIONS,
    RECOGNISING,
    REQUEST,
    CountingExecutor,
    FakeBatchProvider,
    FakeProvider,
    Killed,
    build,
    expire_lease,
    sql,
)

pytestmark = pytest.mark.integration


class Engine:
    """Keeps runs until a test lets them happen, as often as it likes."""

    def __init__(self) -> None:
        self.runs: list[RunRequest] = []
        self.is_away = False

    def submit(self, runs: Sequence[RunRequest]) -> None:
        if self.is_away:
            raise OrchestratorUnavailable("away")
        self.runs += runs


class Office:
    """Relay, engine and queue around one mailer."""

    def __init__(
        self, db: Database, mailer: Mailer, *, lease: timedelta = timedelta(seconds=60)
    ) -> None:
        self.db = db
        self.engine = Engine()
        self.relay = Relay(db, [SendTopic(submitter=self.engine, batch=10)])
        self.queue = SendQueue(
            db, mailer, clock=SystemClock(), new_id=uuid7, threads=2, lease=lease
        )

    def work(self, *, times: int = 1) -> list[dict[str, object]]:
        """Ship what is due and run it ``times`` times; answers what the runs reported."""
        self.relay.drain_once()
        runs, self.engine.runs = self.engine.runs, []
        return [self.handle(request) for request in runs for _ in range(times)]

    def handle(self, request: RunRequest) -> dict[str, object]:
        run = Run(task=request.task, input=request.input, run_id="r", attempt=1, metadata={})
        told = asyncio.run(self.queue.handle(run))
        return {**(told or {})}

    def make_due(self) -> None:
        sql(self.db, "UPDATE outbox SET available_at = now() - interval '1 second', holder = NULL")

    def rows(self) -> list[tuple[object, ...]]:
        return sql(
            self.db,
            "SELECT holder, parked_at IS NOT NULL, last_error, "
            "round(extract(epoch FROM available_at - now()))::int FROM outbox",
        )


def test_enqueue_answers_before_the_provider_is_called_and_the_worker_sends(
    database: Database,
) -> None:
    provider = FakeProvider()
    mailer = build(database, provider)
    office = Office(database, mailer)

    promised = mailer.enqueue(replace(REQUEST, props={"name": "Ada"}))
    before = list(provider.messages)
    told = office.work()

    (message,) = provider.messages
    assert (promised.status, before, told) == ("queued", [], [{"sent": 1}])
    assert message.send_id == promised.send_id
    assert message.subject == "Welcome, Ada"
    assert office.rows() == []
    assert sql(database, "SELECT status, request, attempt FROM email_sends") == [("sent", None, 1)]


def test_enqueue_takes_one_statement(database: Database) -> None:
    counting = CountingExecutor(database)

    build(counting, FakeProvider()).enqueue(REQUEST)

    assert counting.names == ["claim_send"]


def test_enqueue_doubled_run_sends_once(database: Database) -> None:
    provider = FakeProvider()
    mailer = build(database, provider)
    office = Office(database, mailer)
    mailer.enqueue(REQUEST)

    assert office.work(times=3) == [{"sent": 1}, {}, {}]
    assert len(provider.messages) == 1


def test_queue_lease_is_kept_while_a_slow_provider_is_asked(database: Database) -> None:
    """Two leases long nobody else can take the row."""
    late: list[object] = []

    def answer_late(message: WireMessage) -> None:
        sleep(0.8)
        late.extend(sql(database, "SELECT available_at > now() FROM outbox"))

    mailer = build(database, FakeProvider(answer_late))
    office = Office(database, mailer, lease=timedelta(seconds=0.4))
    mailer.enqueue(REQUEST)

    assert office.work() == [{"sent": 1}]
    assert late == [(True,)]


def test_enqueue_repeated_key_promises_once(database: Database) -> None:
    mailer = build(database, FakeProvider())
    office = Office(database, mailer)

    first, second = mailer.enqueue(REQUEST), mailer.enqueue(REQUEST)
    office.work()
    third = mailer.enqueue(REQUEST)

    assert (second.status, second.send_id, second.is_duplicate) == ("queued", first.send_id, True)
    assert (third.status, third.send_id, third.is_duplicate) == ("sent", first.send_id, True)
    assert office.rows() == []


def test_enqueue_stopped_mail_is_answered_at_once_and_promises_nothing(
    database: Database,
) -> None:
    sql(
        database,
        "INSERT INTO email_preferences (user_id, email, unsubscribed_all) "
        "VALUES ('u1', 'ada@example.org', true)",
    )
    mailer = build(database, FakeProvider())

    result = mailer.enqueue(REQUEST)

    assert (result.status, result.reason) == ("unsubscribed", "unsubscribed")
    assert sql(database, "SELECT count(*) FROM outbox") == [(0,)]


def test_enqueue_person_who_leaves_in_between_gets_nothing(database: Database) -> None:
    provider = FakeProvider()
    mailer = build(database, provider)
    office = Office(database, mailer)
    mailer.enqueue(REQUEST)
    sql(
        database,
        "INSERT INTO email_preferences (user_id, email, unsubscribed_all) "
        "VALUES ('u1', 'ada@example.org', true)",
    )

    assert office.work() == [{"unsubscribed": 1}]
    assert provider.messages == []
    assert office.rows() == []
    assert sql(database, "SELECT status, reason, request FROM email_sends") == [
        ("suppressed", "unsubscribed", None)
    ]


def test_enqueue_files_are_refused_aloud(database: Database) -> None:
    with pytest.raises(InvalidInput) as caught:
        build(database, FakeProvider()).enqueue(
            replace(REQUEST, attachments=(Attachment(filename="a", content=b"x"),))
        )

    assert caught.value.code == "attachments_unsupported"


@pytest.mark.parametrize(
    ("error", "code", "seconds", "ledger"),
    [
        (ProviderTransient("busy"), "provider_transient", 5, "queued"),
        (ProviderTransient("slow", retry_after_seconds=77), "provider_transient", 77, "queued"),
        (ProviderPermanent("bad key"), "provider_permanent", 300, "failed"),
    ],
)
def test_queue_refusal_for_now_comes_back_and_is_sent(
    database: Database, error: ProviderError, code: str, seconds: int, ledger: str
) -> None:
    provider = FakeProvider(error)
    mailer = build(database, provider)
    office = Office(database, mailer)
    mailer.enqueue(REQUEST)

    told = office.work()
    between = sql(database, "SELECT status FROM email_sends")
    ((holder, parked, shown, wait),) = office.rows()
    office.make_due()

    assert (told, between) == ([{code: 1}], [(ledger,)])
    assert (holder, parked, wait) == (None, False, seconds)
    assert error.message in str(shown)
    assert office.work() == [{"sent": 1}]
    assert office.rows() == []


@pytest.mark.parametrize(
    ("error", "status"), [(ProviderRejected("no"), "failed"), (ProviderUnknown("lost"), "unknown")]
)
def test_queue_final_answers_end_the_promise(
    database: Database, error: ProviderError, status: str
) -> None:
    provider = FakeProvider(error)
    mailer = build(database, provider)
    office = Office(database, mailer)
    mailer.enqueue(REQUEST)

    assert office.work() == [{status: 1}]
    assert office.rows() == []
    assert sql(database, "SELECT status FROM email_sends") == [(status,)]


def test_queue_closed_window_waits_until_it_opens(database: Database) -> None:
    clock = VirtualClock(datetime.now(UTC))
    hour = clock.now() + timedelta(hours=2)
    window = SendWindow(start=time(hour.hour), end=time((hour.hour + 1) % 24))
    options = replace(OPTIONS, policy=SendPolicy(window=window))
    provider = FakeProvider()
    mailer = build(database, provider, options=options, clock=clock)
    office = Office(database, mailer)
    promised = mailer.enqueue(REQUEST)

    told = office.work()
    ((_, _, reason, wait),) = office.rows()
    clock.advance(timedelta(hours=2))
    office.make_due()
    office.work()

    assert (promised.status, told, reason) == ("queued", [{"deferred": 1}], "send_window")
    assert isinstance(wait, int)
    assert 3600 <= wait <= 7200
    assert len(provider.messages) == 1


def test_queue_engine_away_keeps_the_promise(database: Database) -> None:
    provider = FakeProvider()
    mailer = build(database, provider)
    office = Office(database, mailer)
    mailer.enqueue(REQUEST)
    office.engine.is_away = True

    assert office.work() == []
    office.engine.is_away = False
    office.make_due()
    assert office.work() == [{"sent": 1}]


def test_queue_template_that_broke_since_is_parked_for_an_operator(database: Database) -> None:
    provider = FakeProvider()
    mailer = build(database, provider)
    office = Office(database, mailer)
    mailer.enqueue(REQUEST)
    sql(
        database,
        "UPDATE email_sends SET request = jsonb_set(request, '{template}', '\"gone\"')",
    )

    office.work()

    ((_, parked, shown, _),) = office.rows()
    assert parked
    assert "gone" in str(shown)


def test_queue_batch_provider_gets_many_mails_in_one_call(database: Database) -> None:
    def judge(message: WireMessage) -> ProviderReceipt | ProviderError:
        if message.to == "p3@example.org":
            return ProviderRejected("no such user")
        return ProviderReceipt(message_id=f"m-{message.to}")

    provider = FakeBatchProvider(answers=judge)
    counting = CountingExecutor(database)
    mailer = build(counting, provider)
    office = Office(database, mailer)
    for n in range(10):
        mailer.enqueue(replace(REQUEST, to=f"p{n}@example.org", idempotency_key=f"k{n}"))
    counting.names.clear()

    told = office.work()

    assert told == [{"sent": 9, "failed": 1}]
    assert provider.calls == [10]
    assert counting.names == ["load_requests", "claim_sends", "settle_sent", "settle_unsent"]
    assert sql(
        database, "SELECT status, count(*) FROM email_sends GROUP BY status ORDER BY status"
    ) == [("failed", 1), ("sent", 9)]


def test_batch_lost_answer_is_unknown_and_never_repeated_alone(database: Database) -> None:
    provider = FakeBatchProvider(
        ProviderUnknown("lost"), capabilities=replace(RECOGNISING, batch_size=10)
    )
    mailer = build(database, provider)
    requests = [replace(REQUEST, to=f"p{n}@example.org", idempotency_key=f"k{n}") for n in range(3)]

    first = mailer.send_many(requests)
    again = [mailer.send(request).status for request in requests]
    quiet(database)
    Redrive(database, mailer, clock=SystemClock()).sweep()

    assert [getattr(a, "status", a) for a in first] == ["unknown"] * 3
    assert again == ["unknown"] * 3
    assert len(provider.messages) == 3


def test_batch_killed_after_hand_over_is_unknown_and_never_repeated(database: Database) -> None:
    provider = FakeBatchProvider(Killed(), capabilities=replace(RECOGNISING, batch_size=10))
    mailer = build(database, provider)
    requests = [replace(REQUEST, to=f"p{n}@example.org", idempotency_key=f"k{n}") for n in range(3)]
    with pytest.raises(Killed):
        mailer.send_many(requests)
    expire_lease(database)

    alone = mailer.send(requests[0])
    quiet(database)
    swept = Redrive(database, mailer, clock=SystemClock()).sweep()

    assert alone.status == "unknown"
    assert (swept.doubted, swept.asked) == (2, 0)
    assert len(provider.messages) == 3


def quiet(db: Database) -> None:
    """As if nobody had touched the rows for an hour."""
    sql(
        db,
        "UPDATE email_sends SET updated_at = now() - interval '1 hour', "
        "claimed_until = claimed_until - interval '1 hour', "
        "handed_over_at = handed_over_at - interval '50 minutes'",
    )


def test_redrive_lost_answer_is_resolved_by_the_providers_key(database: Database) -> None:
    provider = FakeProvider(Killed(), capabilities=RECOGNISING)
    mailer = build(database, provider)
    with pytest.raises(Killed):
        mailer.send(REQUEST)
    redrive = Redrive(database, mailer, clock=SystemClock())
    too_early = redrive.sweep()
    quiet(database)

    swept = redrive.sweep()

    first, second = provider.messages
    assert (too_early.asked, swept.asked, swept.resolved) == (0, 1, 1)
    assert first == second
    assert sql(database, "SELECT status, message_id FROM email_sends") == [("sent", "m2")]


def test_redrive_unknown_of_a_mail_without_key_is_resolved_too(database: Database) -> None:
    provider = FakeProvider(ProviderUnknown("lost"), capabilities=RECOGNISING)
    mailer = build(database, provider)
    result = mailer.send(replace(REQUEST, idempotency_key=None))
    quiet(database)

    swept = Redrive(database, mailer, clock=SystemClock()).sweep()

    assert (result.status, swept.resolved) == ("unknown", 1)
    assert provider.messages[0] == provider.messages[1]


def test_redrive_provider_without_memory_leaves_it_unknown(database: Database) -> None:
    provider = FakeProvider(Killed())
    mailer = build(database, provider)
    with pytest.raises(Killed):
        mailer.send(REQUEST)
    quiet(database)

    swept = Redrive(database, mailer, clock=SystemClock()).sweep()

    assert (swept.asked, swept.doubted) == (0, 1)
    assert len(provider.messages) == 1
    assert sql(database, "SELECT status, reason FROM email_sends") == [("unknown", "answer_lost")]


def test_redrive_does_not_repeat_for_somebody_who_left(database: Database) -> None:
    provider = FakeProvider(Killed(), capabilities=RECOGNISING)
    mailer = build(database, provider)
    with pytest.raises(Killed):
        mailer.send(REQUEST)
    sql(
        database,
        "INSERT INTO email_preferences (user_id, email, unsubscribed_all) "
        "VALUES ('u1', 'ada@example.org', true)",
    )
    quiet(database)

    swept = Redrive(database, mailer, clock=SystemClock()).sweep()

    assert (swept.asked, swept.resolved) == (1, 0)
    assert len(provider.messages) == 1
    assert sql(database, "SELECT status FROM email_sends") == [("unknown",)]


def test_redrive_forgets_requests_that_nothing_can_drive(database: Database) -> None:
    mailer = build(database, FakeProvider(ProviderRejected("no")))
    mailer.send(REQUEST)
    sql(database, "UPDATE email_sends SET updated_at = now() - interval '3 days'")

    swept = Redrive(database, mailer, clock=SystemClock()).sweep()

    assert swept.forgotten == 1
    assert sql(database, "SELECT request FROM email_sends") == [(None,)]


class Rewriter:
    """One link per mail, as a decorator would make it."""

    def decorate(self, mail: RenderedMail, send: object) -> RenderedMail:
        send_id: UUID = send.id  # type: ignore[attr-defined]  # NewSend
        link = MailLink(
            id=UUID(int=send_id.int ^ 1),
            url="https://example.com/a?b=1&c=2",
            position=0,
            metadata={"event": "nps", "properties": {"score": 3}},
        )
        return replace(mail, html=f"{mail.html}<!-- {link.id} -->", links=(link,))


def links(db: Database) -> list[tuple[object, ...]]:
    return sql(
        db,
        "SELECT id, email_send_id, original_url, position, event, event_properties "
        "FROM tracked_links",
    )


def test_links_are_stored_with_the_claim_and_repeated_mail_has_the_same(
    database: Database,
) -> None:
    provider = FakeProvider(Killed(), capabilities=RECOGNISING)
    counting = CountingExecutor(database)
    mailer = build(counting, provider, decorators=[Rewriter()])
    with pytest.raises(Killed):
        mailer.send(REQUEST)
    names = list(counting.names)
    stored = links(database)
    expire_lease(database)

    result = mailer.send(REQUEST)

    assert names == ["claim_send"]
    assert result.send_id is not None
    link = UUID(int=result.send_id.int ^ 1)
    assert stored == links(database)
    assert stored == [
        (link, result.send_id, "https://example.com/a?b=1&c=2", 0, "nps", {"score": 3})
    ]
    assert provider.messages[0] == provider.messages[1]
    assert str(link) in provider.messages[1].html


def test_links_of_a_stopped_mail_are_not_stored(database: Database) -> None:
    sql(
        database,
        "INSERT INTO email_suppressions (email, reason, suppressed_at) "
        "VALUES ('ada@example.org', 'bounce', now())",
    )

    build(database, FakeProvider(), decorators=[Rewriter()]).send(REQUEST)

    assert links(database) == []
