from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import falcon.testing
import pytest

from hogsend.db import Database, Query
from hogsend.email.feedback import api as feedback_api
from hogsend.email.feedback.events import FeedbackEvents
from hogsend.email.feedback.postmark import PostmarkFeedback
from hogsend.email.feedback.resend import ResendFeedback
from hogsend.email.feedback.store import SuppressionPolicy
from hogsend.email.ledger import Ledger
from hogsend.email.ledger_rows import Settled
from hogsend.events.ingest import Ingest
from hogsend.events.matching import Matches
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue
from hogsend.outbox.models import Delivery, Done, OutboxRow, Retry
from hogsend.preferences import get_consent
from hogsend.web.app import build_app
from tests.providers.test_resend_webhooks import SECRET, sign

pytestmark = pytest.mark.integration

ADA = "ada@example.org"
T0 = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


class NoContent:
    def match(self, event: str, properties: Mapping[str, JsonValue]) -> Matches:
        return Matches()


class NoNudge:
    def poke(self) -> None:
        pass


class Mailroom:
    """A ledger with one mail, and both halves of feedback."""

    def __init__(self, db: Database, policy: SuppressionPolicy | None = None) -> None:
        self.db = db
        self.policy = policy or SuppressionPolicy()
        self.numbers = itertools.count(1)
        api = feedback_api.FeedbackApi(
            db,
            [ResendFeedback([SECRET]), PostmarkFeedback([("u", "p")])],
            policy=self.policy,
            clock=SystemClock(),
            new_id=uuid7,
            nudge=NoNudge(),
        )
        self.client = falcon.testing.TestClient(build_app(feedback_api.routes(api)))
        ingest = Ingest(db=db, matcher=NoContent(), nudge=NoNudge(), new_id=uuid7)
        self.worker = FeedbackEvents(db, ingest, policy=self.policy)

    def sql(self, text: str, **params: object) -> list[tuple[Any, ...]]:
        return self.db.run(Query.parse("test", text), **params)

    def mail(self, status: str = "sent", message_id: str | None = "re_1") -> UUID:
        send_id = uuid7()
        self.sql(
            "INSERT INTO email_sends (id, user_id, template_key, from_email, to_email, "
            "intended_to, subject, status, message_id, handed_over_at, claimed_by, sent_at) "
            "VALUES (:id, 'u1', 'welcome', 'h@x.test', :to, :to, 's', :status, :message, now(), "
            "CASE WHEN :status = 'queued' THEN gen_random_uuid() END, "
            "CASE WHEN :status = 'sent' THEN CAST(:at AS timestamptz) END)",
            id=send_id,
            to=ADA,
            status=status,
            message=message_id,
            at=T0,
        )
        return send_id

    def report(
        self,
        kind: str,
        *,
        minutes: int = 1,
        message_id: str = "re_1",
        send_id: UUID | None = None,
        key: str | None = None,
        to: list[str] | None = None,
        **data: Any,
    ) -> int:
        body = json.dumps(
            {
                "type": kind,
                "created_at": (T0 + timedelta(minutes=minutes)).isoformat(),
                "data": {
                    "email_id": message_id,
                    "to": [ADA] if to is None else to,
                    "tags": {"hs_send_id": str(send_id)} if send_id else {},
                    **data,
                },
            }
        ).encode()
        headers = sign(
            SECRET, body, at=datetime.now(UTC), message_id=key or f"msg_{next(self.numbers)}"
        )
        answer = self.client.simulate_post("/v1/webhooks/email/resend", body=body, headers=headers)
        return answer.status_code

    def bounce(self, kind: str = "Permanent", **options: Any) -> int:
        return self.report("email.bounced", bounce={"type": kind, "message": "no box"}, **options)

    def send(self, columns: str = "status") -> tuple[Any, ...]:
        (row,) = self.sql(f"SELECT {columns} FROM email_sends")
        return row

    def suppressions(self) -> list[tuple[Any, ...]]:
        return self.sql(
            "SELECT email, reason, bounce_count, suppressed_at IS NOT NULL "
            "FROM email_suppressions ORDER BY email"
        )

    def work(self) -> list[Delivery]:
        rows = self.sql(
            "SELECT id, topic, subject, ref_id, payload, attempts FROM outbox "
            "WHERE topic = 'email.feedback' ORDER BY id"
        )
        deliveries = self.worker.deliver(
            [
                OutboxRow(
                    id=r[0], topic=r[1], subject=r[2], ref_id=r[3], payload=r[4], priority=2,
                    attempts=r[5] + 1,
                )
                for r in rows
            ]
        )  # fmt: skip
        for row, delivery in zip(rows, deliveries, strict=True):
            if delivery == Done():
                self.sql("DELETE FROM outbox WHERE id = :id", id=row[0])
            else:
                self.sql("UPDATE outbox SET attempts = attempts + 1 WHERE id = :id", id=row[0])
        return deliveries

    def events(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT event, user_id, properties ->> 'bounceType' FROM user_events")


@pytest.fixture
def room(database: Database) -> Mailroom:
    return Mailroom(database)


def test_feedback_reports_move_a_send_forward_with_the_vendors_clock(room: Mailroom) -> None:
    room.mail()

    assert room.report("email.sent", minutes=0) == 200
    assert room.report("email.delivered", minutes=2) == 200
    assert room.report("email.opened", minutes=3) == 200
    assert room.report("email.opened", minutes=9) == 200

    columns = "status, delivered_at, opened_at"
    assert room.send(columns) == ("opened", T0 + timedelta(minutes=2), T0 + timedelta(minutes=3))


_REPORTS = ("email.sent", "email.delivered", "email.bounced", "email.complained")


@pytest.mark.parametrize("order", list(itertools.permutations(_REPORTS)))
def test_feedback_in_any_order_ends_the_same(room: Mailroom, order: tuple[str, ...]) -> None:
    room.mail()

    for kind in order:
        room.report(kind, bounce={"type": "Permanent"}, minutes=_REPORTS.index(kind) + 1)
    room.work()

    assert room.send("status, sent_at, delivered_at, bounced_at, complained_at, bounce_type") == (
        "complained", T0, T0 + timedelta(minutes=2), T0 + timedelta(minutes=3),
        T0 + timedelta(minutes=4), "permanent",
    )  # fmt: skip
    assert room.suppressions() == [(ADA, "complaint", 1, True)]
    assert sorted(event[0] for event in room.events()) == ["email.bounced", "email.complained"]


def test_feedback_first_permanent_bounce_suppresses_an_address_nobody_knows(
    room: Mailroom, database: Database
) -> None:
    room.mail()

    room.bounce()

    assert room.suppressions() == [(ADA, "bounce", 1, True)]
    assert get_consent(database, ADA).suppressed
    assert room.sql("SELECT count(*) FROM contacts") == [(0,)]
    assert room.sql("SELECT count(*) FROM email_preferences") == [(0,)]
    assert room.send("status, bounce_type, bounce_reason") == ("bounced", "permanent", "no box")


def test_feedback_threshold_counts_bounces_of_different_mails(database: Database) -> None:
    room = Mailroom(database, SuppressionPolicy(threshold=3))
    states = []
    for number in range(3):
        room.mail(message_id=f"re_{number}")
        room.bounce(message_id=f"re_{number}")
        states.append(room.suppressions()[0][2:])

    assert states == [(1, False), (2, False), (3, True)]


@pytest.mark.parametrize("same_key", [True, False])
def test_feedback_repeated_bounce_counts_once(database: Database, same_key: bool) -> None:
    room = Mailroom(database, SuppressionPolicy(threshold=2))
    room.mail()

    for number in range(5):
        assert room.bounce(key="msg_same" if same_key else f"msg_other_{number}") == 200
    room.work()

    assert room.suppressions() == [(ADA, "bounce", 1, False)]
    assert room.events() == [("email.bounced", "u1", "permanent")]


def test_feedback_bounce_from_many_connections_counts_once(room: Mailroom) -> None:
    room.mail()

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda n: room.bounce(key=f"msg_{n % 3}"), range(12)))
    room.work()

    assert set(codes) == {200}
    assert room.suppressions() == [(ADA, "bounce", 1, True)]
    assert len(room.events()) == 1


def test_feedback_transient_bounce_is_recorded_and_may_escalate(room: Mailroom) -> None:
    room.mail()

    room.bounce("Transient")
    after_transient = (room.send("status, bounce_type"), room.suppressions())
    room.bounce("Transient")
    room.bounce("Permanent")
    room.bounce("Transient")
    room.work()

    assert after_transient == (("bounced", "transient"), [])
    assert room.send("bounce_type") == ("permanent",)
    assert room.suppressions() == [(ADA, "bounce", 1, True)]
    assert [event[2] for event in room.events()] == ["transient", "permanent"]


def test_feedback_complaint_worded_bounce_suppresses_at_once(database: Database) -> None:
    room = Mailroom(database, SuppressionPolicy(threshold=3))
    room.mail()

    room.bounce("SpamComplaint")

    assert room.suppressions() == [(ADA, "complaint", 0, True)]


def test_feedback_reject_is_no_bounce(room: Mailroom) -> None:
    room.mail()

    room.report("email.failed", failed={"reason": "reached_daily_quota"})

    assert room.send("status, reason, bounced_at") == ("failed", "reached_daily_quota", None)
    assert room.suppressions() == []


def test_feedback_vendor_suppression_stops_the_address(room: Mailroom) -> None:
    room.mail()

    room.report("email.suppressed", suppressed={"message": "on the list"})

    assert room.send("status, reason") == ("failed", "on the list")
    assert room.suppressions() == [(ADA, "bounce", 0, True)]


def test_feedback_test_inbox_is_never_suppressed(database: Database) -> None:
    room = Mailroom(database, SuppressionPolicy(exempt="Test@Example.com"))
    room.mail()

    room.bounce(to=["test@example.com"])

    assert room.suppressions() == []


def test_feedback_on_a_crowd_suppresses_nobody(room: Mailroom) -> None:
    room.mail()

    room.bounce(to=[f"p{n}@example.org" for n in range(101)])

    assert room.suppressions() == []
    assert room.send() == ("bounced",)


@pytest.mark.parametrize("status", ["queued", "unknown"])
def test_feedback_with_our_tag_resolves_a_send_that_was_not_settled(
    room: Mailroom, status: str
) -> None:
    send_id = room.mail(status, message_id=None)

    room.report("email.delivered", send_id=send_id)

    assert room.send("status, message_id, claimed_by, reason") == ("delivered", "re_1", None, None)
    ledger = Ledger(room.db, lease=timedelta(seconds=60), recognised_for=None)
    ledger.settle_sent([Settled(send_id=send_id, message_id="re_1", sent_at=T0)])
    assert room.send() == ("delivered",)


def test_feedback_that_outruns_the_message_id_is_applied_later(room: Mailroom) -> None:
    room.mail("queued", message_id=None)

    room.bounce()
    early = (room.send(), room.suppressions(), room.work())
    room.sql("UPDATE email_sends SET message_id = 're_1', status = 'sent'")
    late = room.work()
    room.work()

    assert early[0] == ("queued",)
    assert early[1] == [(ADA, "bounce", 1, True)]
    assert early[2] == [Retry(after=timedelta(seconds=5), error="no send with this id yet")]
    assert Done() in late
    assert room.send() == ("bounced",)
    assert room.suppressions() == [(ADA, "bounce", 1, True)]
    assert room.events() == [("email.bounced", "u1", "permanent")]


def test_feedback_about_somebody_elses_mail_is_given_up(room: Mailroom) -> None:
    room.bounce(message_id="not-ours")

    deliveries = [room.work() for _ in range(11)]

    assert all(isinstance(found[0], Retry) for found in deliveries[:9])
    assert deliveries[9] == [Done()]
    assert deliveries[10] == []
    assert room.suppressions() == [(ADA, "bounce", 1, True)]
    assert room.events() == []


def test_feedback_raw_report_is_kept_once(room: Mailroom) -> None:
    send_id = room.mail()

    for _ in range(3):
        room.report("email.delivered", key="msg_same")

    assert room.sql(
        "SELECT provider, event_key, send_id, payload ->> 'type' FROM email_feedback"
    ) == [("resend", "msg_same", send_id, "email.delivered")]


def test_feedback_postmark_repeats_are_recognised_by_their_body(room: Mailroom) -> None:
    send_id = room.mail(message_id="pm_1")
    headers = {"Authorization": f"Basic {base64.b64encode(b'u:p').decode()}"}
    body = json.dumps(
        {
            "RecordType": "SpamComplaint", "MessageID": "pm_1", "Email": ADA,
            "BouncedAt": "2026-11-24T08:01:00Z", "Metadata": {"hs_send_id": str(send_id)},
        }
    ).encode()  # fmt: skip

    codes = [
        room.client.simulate_post(
            "/v1/webhooks/email/postmark", body=body, headers=headers
        ).status_code
        for _ in range(3)
    ]

    assert codes == [200, 200, 200]
    assert room.sql("SELECT count(*) FROM email_feedback") == [(1,)]
    assert room.suppressions() == [(ADA, "complaint", 0, True)]


def test_feedback_forged_report_changes_nothing(room: Mailroom) -> None:
    room.mail()
    body = b'{"type":"email.complained","data":{"email_id":"re_1","to":["ada@example.org"]}}'

    codes = {
        room.client.simulate_post(path, body=body, headers=headers).status_code
        for path in ("/v1/webhooks/email/resend", "/v1/webhooks/resend")
        for headers in (
            {},
            sign("whsec_" + base64.b64encode(b"x" * 24).decode(), body, at=datetime.now(UTC)),
            sign(SECRET, body, at=datetime.now(UTC) - timedelta(minutes=6)),
            sign(SECRET, b"{}", at=datetime.now(UTC)),
        )
    }

    assert codes == {401}
    assert room.send() == ("sent",)
    assert room.suppressions() == []
    assert room.sql("SELECT count(*) FROM email_feedback") == [(0,)]


def test_feedback_without_a_database_asks_the_vendor_to_come_again(dsn: str) -> None:
    from hogsend.db import DatabaseOptions

    database = Database(DatabaseOptions(url=dsn.replace("hogsend_test", "nowhere")))
    room = Mailroom(database)
    try:
        assert room.bounce() in (500, 503)
    finally:
        database.close()
