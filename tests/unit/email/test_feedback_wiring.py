from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from hogsend.email.feedback.wiring import build_sources, read_suppression_policy
from hogsend.net.signatures import BadSignature
from hogsend.settings import load
from tests.providers.test_resend_webhooks import OTHER, SECRET, sign

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_sources_accept_both_secrets_while_one_replaces_the_other() -> None:
    settings = load({"RESEND_WEBHOOK_SECRET": f"{SECRET}, {OTHER}"}, mode="cli")
    resend = build_sources(settings)[0]

    for secret in (SECRET, OTHER):
        assert resend.verify(sign(secret, b"{}", at=NOW), b"{}", now=NOW) == "msg_1"


def test_sources_without_secrets_refuse_everything() -> None:
    headers = {"authorization": f"Basic {base64.b64encode(b':').decode()}"}

    for source in build_sources(load({}, mode="cli")):
        with pytest.raises(BadSignature):
            source.verify(sign(SECRET, b"{}", at=NOW) | headers, b"{}", now=NOW)


def test_suppression_policy_spares_the_test_inbox() -> None:
    settings = load(
        {"HOGSEND_BOUNCE_THRESHOLD": "3", "HOGSEND_TEST_EMAIL": "me@x.test"}, mode="cli"
    )

    policy = read_suppression_policy(settings)

    assert (policy.threshold, policy.exempt) == (3, "me@x.test")
