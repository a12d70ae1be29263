"""Builds provider feedback from settings."""

from __future__ import annotations

from hogsend.email.feedback.base import FeedbackSource
from hogsend.email.feedback.postmark import PostmarkFeedback
from hogsend.email.feedback.resend import ResendFeedback
from hogsend.email.feedback.store import SuppressionPolicy
from hogsend.settings import Settings


def build_sources(settings: Settings) -> list[FeedbackSource]:
    """Every vendor we understand; one without a secret refuses everything.

    RESEND_WEBHOOK_SECRET may hold several, separated by commas, while one replaces another.
    """
    secrets = [secret.strip() for secret in (settings.resend_webhook_secret or "").split(",")]
    return [
        ResendFeedback(secrets),
        PostmarkFeedback(
            [(settings.postmark_webhook_user or "", settings.postmark_webhook_pass or "")]
        ),
    ]


def read_suppression_policy(settings: Settings) -> SuppressionPolicy:
    """When an address is stopped; the inbox of test mode never is."""
    return SuppressionPolicy(threshold=settings.bounce_threshold, exempt=settings.test_email)
