from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hogsend.email.feedback.base import Feedback, FeedbackSource
from hogsend.email.feedback.resend import ResendFeedback
from tests.providers.webhook_cases import NOW, Hook, WebhookSecurityCases

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
SEND = UUID("01930000-0000-7000-8000-000000000001")


def sign(
    secret: str, body: bytes, *, at: datetime = NOW, message_id: str = "msg_1"
) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "svix-id": message_id,
        "svix-timestamp": timestamp,
        "svix-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def event(kind: str, **data: Any) -> bytes:
    return json.dumps(
        {
            "type": kind,
            "created_at": "2026-11-24T11:59:00.000Z",
            "data": {
                "email_id": "re_1",
                "to": ["Ada <Ada@Example.org>"],
                "tags": {"hs_send_id": str(SEND)},
                **data,
            },
        }
    ).encode()


def parse(body: bytes) -> Feedback | None:
    return ResendFeedback([SECRET]).parse(body, event_key="k", now=NOW)


class TestResendSecurity(WebhookSecurityCases):
    body = event("email.delivered")

    @property
    def secrets(self) -> tuple[str, str]:
        return SECRET, OTHER

    def make_source(self, secrets: Sequence[str]) -> FeedbackSource:
        return ResendFeedback(secrets)

    def prove(self, secret: str, body: bytes) -> dict[str, str]:
        return sign(secret, body)

    @pytest.mark.parametrize("drift", [timedelta(minutes=5, seconds=1), timedelta(days=-1)])
    def test_old_and_future_timestamps_are_refused(self, drift: timedelta) -> None:
        hook = Hook(ResendFeedback([SECRET]))

        self.assert_refused(hook, sign(SECRET, self.body, at=NOW + drift))

    def test_replay_outside_the_window_is_refused(self) -> None:
        hook = Hook(ResendFeedback([SECRET]))
        headers = sign(SECRET, self.body)
        assert hook.post(self.body, headers).status_code == 200

        hook.clock.advance(timedelta(minutes=6))

        assert hook.post(self.body, headers).status_code == 401
        assert len(hook.db.calls) == 1

    @pytest.mark.parametrize("name", ["svix-id", "svix-timestamp"])
    def test_signed_headers_cannot_be_exchanged(self, name: str) -> None:
        hook = Hook(ResendFeedback([SECRET]))
        headers = sign(SECRET, self.body)

        other = {"svix-id": "msg_2", "svix-timestamp": str(int(NOW.timestamp()) + 1)}
        self.assert_refused(hook, headers | {name: other[name]})

    def test_body_changed_by_one_byte_is_refused(self) -> None:
        hook = Hook(ResendFeedback([SECRET]))
        headers = sign(SECRET, self.body)

        assert hook.post(self.body.replace(b"delivered", b"deliverec"), headers).status_code == 401

    def test_one_good_signature_among_others_is_enough(self) -> None:
        hook = Hook(ResendFeedback([SECRET]))
        headers = sign(SECRET, self.body)
        headers["svix-signature"] = f"v1a,AAAA v1,BBBB {headers['svix-signature']}"

        assert hook.post(self.body, headers).status_code == 200

    def test_webhook_header_names_are_accepted(self) -> None:
        hook = Hook(ResendFeedback([SECRET]))
        headers = {
            name.replace("svix", "webhook"): value
            for name, value in sign(SECRET, self.body).items()
        }

        assert hook.post(self.body, headers).status_code == 200

    def test_old_path_is_an_alias(self) -> None:
        hook = Hook(ResendFeedback([SECRET]))
        hook.path = "/v1/webhooks/resend"

        assert hook.post(self.body, sign(SECRET, self.body)).status_code == 200
        assert hook.post(self.body, {}).status_code == 401

    def test_events_that_say_nothing_are_acknowledged(self) -> None:
        hook = Hook(ResendFeedback([SECRET]))

        for kind in ("contact.created", "domain.updated", "email.scheduled", "email.received"):
            body = event(kind)
            assert hook.post(body, sign(SECRET, body)).status_code == 200
        assert hook.db.calls == []


def test_resend_report_is_read_completely() -> None:
    feedback = parse(
        event("email.bounced", bounce={"type": "Permanent", "subType": "X", "message": "no box"})
    )

    assert feedback is not None
    assert (feedback.type, feedback.message_id, feedback.send_id) == ("email.bounced", "re_1", SEND)
    assert feedback.recipients == ("ada@example.org",)
    assert feedback.occurred_at == datetime(2026, 11, 24, 11, 59, tzinfo=UTC)
    assert (feedback.bounce_class, feedback.bounce_code) == ("permanent", "Permanent")
    assert feedback.reason == "no box"


@pytest.mark.parametrize(
    ("vendor", "neutral"),
    [
        ("Permanent", "permanent"), ("HardBounce", "permanent"), ("Suppressed", "permanent"),
        ("Transient", "transient"), ("Undetermined", "transient"), ("MailboxFull", "transient"),
        ("SpamComplaint", "complaint"), ("abuse", "complaint"), ("?", "unknown"), (7, "unknown"),
    ],
)  # fmt: skip
def test_resend_bounce_types_have_classes(vendor: object, neutral: str) -> None:
    feedback = parse(event("email.bounced", bounce={"type": vendor}))

    assert feedback is not None
    assert feedback.bounce_class == neutral


def test_resend_failure_is_a_reject_and_suppression_names_the_address() -> None:
    failed = parse(event("email.failed", failed={"reason": "reached_daily_quota"}))
    suppressed = parse(event("email.suppressed", suppressed={"type": "OnAccountSuppressionList"}))

    assert failed is not None
    assert suppressed is not None
    assert (failed.type, failed.reason) == ("email.rejected", "reached_daily_quota")
    assert (suppressed.type, suppressed.bounce_class) == ("email.suppressed", "permanent")


def test_resend_odd_payloads_are_read_as_far_as_they_go() -> None:
    feedback = parse(
        b'{"type":"email.delivered","created_at":"soon","data":{"to":"a@b.de","email_id":5,'
        b'"tags":[{"name":"hs_send_id","value":"%b"}]}}' % str(SEND).encode()
    )

    assert feedback is not None
    assert (feedback.occurred_at, feedback.message_id) == (NOW, None)
    assert (feedback.recipients, feedback.send_id) == (("a@b.de",), SEND)


def test_resend_instant_in_the_future_is_now() -> None:
    feedback = parse(event("email.opened").replace(b"2026-11-24T11", b"2027-11-24T11"))

    assert feedback is not None
    assert feedback.occurred_at == NOW
