from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from hogsend.email.feedback.base import Feedback, FeedbackSource
from hogsend.email.feedback.postmark import PostmarkFeedback
from tests.providers.webhook_cases import NOW, Hook, WebhookSecurityCases

SEND = UUID("01930000-0000-7000-8000-000000000001")


def event(record: str, **fields: Any) -> bytes:
    return json.dumps(
        {
            "RecordType": record,
            "MessageID": "pm_1",
            "Metadata": {"hs_send_id": str(SEND)},
            **fields,
        }
    ).encode()


def parse(body: bytes) -> Feedback | None:
    return PostmarkFeedback([("u", "p")]).parse(body, event_key="k", now=NOW)


class TestPostmarkSecurity(WebhookSecurityCases):
    body = event("Delivery", Recipient="ada@example.org")

    @property
    def secrets(self) -> tuple[str, str]:
        return "hook:s3cret pass:word", "hook:0ther"

    def make_source(self, secrets: Sequence[str]) -> FeedbackSource:
        pairs = [secret.partition(":") for secret in secrets]
        return PostmarkFeedback([(user, password) for user, _, password in pairs])

    def prove(self, secret: str, body: bytes) -> dict[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}

    @pytest.mark.parametrize("pair", [("", ""), ("hook", ""), ("", "word")])
    def test_half_configured_vendor_refuses_everything(self, pair: tuple[str, str]) -> None:
        hook = Hook(PostmarkFeedback([pair]))

        self.assert_refused(hook, self.prove(f"{pair[0]}:{pair[1]}", self.body))

    @pytest.mark.parametrize("header", ["Basic", "Basic ?", "Bearer x", "Basic ü"])
    def test_malformed_header_is_refused(self, header: str) -> None:
        self.assert_refused(Hook(self.make_source(self.secrets)), {"Authorization": header})

    def test_calls_that_say_nothing_are_acknowledged(self) -> None:
        hook = Hook(self.make_source(self.secrets[:1]))

        for body in (
            event("SubscriptionChange", SuppressSending=False),
            event("Bounce", TypeCode=64, Type="AutoResponder"),
            event("Inbound"),
        ):
            assert hook.post(body, self.prove(self.secrets[0], body)).status_code == 200
        assert hook.db.calls == []


def test_postmark_report_is_read_completely() -> None:
    feedback = parse(
        event(
            "Bounce", TypeCode=1, Type="HardBounce", Description="gone", Email="Ada@Example.org",
            BouncedAt="2026-11-24T11:59:00Z",
        )
    )  # fmt: skip

    assert feedback is not None
    assert (feedback.type, feedback.message_id, feedback.send_id) == ("email.bounced", "pm_1", SEND)
    assert feedback.recipients == ("ada@example.org",)
    assert feedback.occurred_at == datetime(2026, 11, 24, 11, 59, tzinfo=UTC)
    assert (feedback.bounce_class, feedback.bounce_code, feedback.reason) == (
        "permanent", "HardBounce", "gone",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "kind", "bounce_class"),
    [
        (1, "email.bounced", "permanent"), (100000, "email.bounced", "permanent"),
        (2, "email.bounced", "transient"), (256, "email.bounced", "transient"),
        (4096, "email.bounced", "transient"), (100006, "email.bounced", "transient"),
        (2048, "email.bounced", "unknown"), (100009, "email.bounced", "unknown"),
        (8192, "email.bounced", "unknown"), (424242, "email.bounced", "unknown"),
        (None, "email.bounced", "unknown"),
        (512, "email.complained", "complaint"), (100001, "email.complained", "complaint"),
        (100007, "email.rejected", None), (100010, "email.rejected", None),
        (16, "email.suppressed", None),
    ],
)  # fmt: skip
def test_postmark_bounce_codes_have_meanings(
    code: int | None, kind: str, bounce_class: str | None
) -> None:
    feedback = parse(event("Bounce", TypeCode=code))

    assert feedback is not None
    assert (feedback.type, feedback.bounce_class) == (kind, bounce_class)


@pytest.mark.parametrize("code", [32, 64, 128, 1024, 16384])
def test_postmark_answers_of_machines_are_no_bounces(code: int) -> None:
    assert parse(event("Bounce", TypeCode=code)) is None


@pytest.mark.parametrize(
    ("why", "bounce_class"),
    [("HardBounce", "permanent"), ("SpamComplaint", "complaint"), ("ManualSuppression", None)],
)
def test_postmark_suppression_says_why(why: str, bounce_class: str | None) -> None:
    feedback = parse(event("SubscriptionChange", SuppressSending=True, SuppressionReason=why))

    assert feedback is not None
    assert (feedback.type, feedback.bounce_class) == ("email.suppressed", bounce_class)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ("Delivery", "email.delivered"), ("Open", "email.opened"), ("Click", "email.clicked"),
        ("SpamComplaint", "email.complained"),
    ],
)  # fmt: skip
def test_postmark_records_have_types(record: str, kind: str) -> None:
    feedback = parse(event(record))

    assert feedback is not None
    assert (feedback.type, feedback.occurred_at) == (kind, NOW)
