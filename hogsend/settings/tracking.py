"""Settings of what comes back: clicks, opens, provider reports."""

from __future__ import annotations

from dataclasses import dataclass

from hogsend.settings import kinds
from hogsend.settings.declare import setting
from hogsend.settings.delivery import DeliverySettings

_EMAIL = "Email"
_TRACKING = "Tracking and feedback"


@dataclass(frozen=True, kw_only=True)
class TrackingSettings(DeliverySettings):
    """Not used by itself; Settings inherits the fields."""

    # fmt: off
    postmark_account_token: str | None = setting(
        "POSTMARK_ACCOUNT_TOKEN", kinds.TEXT, None,
        "Lets Hogsend look after your sending domain at Postmark.",
        group=_EMAIL, secret=True,
    )
    postmark_webhook_user: str | None = setting(
        "POSTMARK_WEBHOOK_USER", kinds.TEXT, None,
        "User name in the webhook URL that you gave Postmark. Unset: its reports are refused.",
        group=_TRACKING, modes=("api", "supervisor"),
    )
    postmark_webhook_pass: str | None = setting(
        "POSTMARK_WEBHOOK_PASS", kinds.TEXT, None, "Password in that URL.",
        group=_TRACKING, modes=("api", "supervisor"), secret=True,
    )
    bounce_threshold: int = setting(
        "HOGSEND_BOUNCE_THRESHOLD", kinds.whole(1, 100), 1,
        "Permanent bounces after which an address gets no more mail. A complaint stops it at once.",
        group=_TRACKING,
    )
    click_hold_seconds: float = setting(
        "HOGSEND_CLICK_HOLD_SECONDS", kinds.number(0), 5.0,
        "How long the event of a click waits, until it is sure that no scanner followed every link "
        "of the mail.",
        group=_TRACKING, modes=("api", "supervisor"),
    )
    tracking_identity_token: bool = setting(
        "TRACKING_IDENTITY_TOKEN", kinds.TRUTH, False,
        "Add `hs_t`, a sealed token of an hour that says who arrived, to redirects.",
        group=_TRACKING, modes=("api", "supervisor"),
    )
