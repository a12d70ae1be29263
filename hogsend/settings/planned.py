"""Variables of the contract whose feature is not built yet.

They are checked all the same, so that a typo shows before the feature arrives, and a boot warning
names those that are set. Nothing else reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from hogsend.settings import kinds
from hogsend.settings.declare import setting
from hogsend.settings.retention import RetentionSettings

_GROUP = "Checked, without effect yet"
_MS = kinds.whole(1)


@dataclass(frozen=True, kw_only=True)
class PlannedSettings(RetentionSettings):
    """Not used by itself; Settings inherits the fields."""

    # fmt: off
    enabled_buckets: tuple[str, ...] | None = setting(
        "ENABLED_BUCKETS", kinds.CHOSEN, None, "Buckets that exist here.",
        group=_GROUP, planned=True,
    )
    enabled_webhook_presets: tuple[str, ...] | None = setting(
        "ENABLED_WEBHOOK_PRESETS", kinds.CHOSEN, None, "Webhook sources.",
        group=_GROUP, planned=True,
    )
    clerk_webhook_secret: str | None = setting(
        "CLERK_WEBHOOK_SECRET", kinds.TEXT, None, "Webhook source `clerk`.",
        group=_GROUP, planned=True, secret=True,
    )
    supabase_webhook_secret: str | None = setting(
        "SUPABASE_WEBHOOK_SECRET", kinds.TEXT, None, "Webhook source `supabase`.",
        group=_GROUP, planned=True, secret=True,
    )
    stripe_webhook_secret: str | None = setting(
        "STRIPE_WEBHOOK_SECRET", kinds.TEXT, None, "Webhook source `stripe`.",
        group=_GROUP, planned=True, secret=True,
    )
    segment_webhook_secret: str | None = setting(
        "SEGMENT_WEBHOOK_SECRET", kinds.TEXT, None, "Webhook source `segment`.",
        group=_GROUP, planned=True, secret=True,
    )
    intercom_client_secret: str | None = setting(
        "INTERCOM_CLIENT_SECRET", kinds.TEXT, None, "Webhook source `intercom`.",
        group=_GROUP, planned=True, secret=True,
    )
    posthog_webhook_secret: str | None = setting(
        "POSTHOG_WEBHOOK_SECRET", kinds.TEXT, None, "Webhook source `posthog`.",
        group=_GROUP, planned=True, secret=True,
    )
    enabled_destination_presets: tuple[str, ...] | None = setting(
        "ENABLED_DESTINATION_PRESETS", kinds.CHOSEN, None, "Destinations.",
        group=_GROUP, planned=True,
    )
    sms_provider: str | None = setting(
        "SMS_PROVIDER", kinds.TEXT, None, "Provider of text messages.",
        group=_GROUP, planned=True,
    )
    sms_from: str | None = setting(
        "SMS_FROM", kinds.TEXT, None, "Sender of text messages.",
        group=_GROUP, planned=True,
    )
    twilio_account_sid: str | None = setting(
        "TWILIO_ACCOUNT_SID", kinds.TEXT, None, "Provider `twilio`.",
        group=_GROUP, planned=True,
    )
    twilio_auth_token: str | None = setting(
        "TWILIO_AUTH_TOKEN", kinds.TEXT, None, "Provider `twilio`.",
        group=_GROUP, planned=True, secret=True,
    )
    test_phone: str | None = setting(
        "HOGSEND_TEST_PHONE", kinds.TEXT, None, "Phone that gets test messages.",
        group=_GROUP, planned=True,
    )
    sms_link_tracking: bool = setting(
        "SMS_LINK_TRACKING", kinds.TRUTH, True, "Short links in text messages.",
        group=_GROUP, planned=True,
    )
    posthog_api_key: str | None = setting(
        "POSTHOG_API_KEY", kinds.TEXT, None, "Analytics provider `posthog`.",
        group=_GROUP, planned=True, secret=True,
    )
    posthog_host: str | None = setting(
        "POSTHOG_HOST", kinds.URL, None, "Its address.",
        group=_GROUP, planned=True,
    )
    posthog_personal_api_key: str | None = setting(
        "POSTHOG_PERSONAL_API_KEY", kinds.TEXT, None, "Reads persons.",
        group=_GROUP, planned=True, secret=True,
    )
    analytics_provider: str | None = setting(
        "ANALYTICS_PROVIDER", kinds.TEXT, None, "Analytics provider.",
        group=_GROUP, planned=True,
    )
    bucket_reconcile_cron: str = setting(
        "BUCKET_RECONCILE_CRON", kinds.CRON, "*/5 * * * *", "When buckets are reconciled.",
        group=_GROUP, planned=True,
    )
    outbound_webhook_reaper_cron: str = setting(
        "OUTBOUND_WEBHOOK_REAPER_CRON", kinds.CRON, "*/1 * * * *", "When stuck ones are found.",
        group=_GROUP, planned=True,
    )
    campaign_reaper_cron: str = setting(
        "CAMPAIGN_REAPER_CRON", kinds.CRON, "*/5 * * * *", "When stuck campaigns are found.",
        group=_GROUP, planned=True,
    )
    outbound_webhook_max_attempts: int = setting(
        "OUTBOUND_WEBHOOK_MAX_ATTEMPTS", kinds.whole(1, 100), 8, "Tries of a delivery.",
        group=_GROUP, planned=True,
    )
    outbound_webhook_timeout_ms: int = setting(
        "OUTBOUND_WEBHOOK_TIMEOUT_MS", _MS, 15000, "One delivery at most.",
        group=_GROUP, planned=True,
    )
    outbound_webhook_base_delay_ms: int = setting(
        "OUTBOUND_WEBHOOK_BASE_DELAY_MS", _MS, 5000, "First backoff.",
        group=_GROUP, planned=True,
    )
    outbound_webhook_max_delay_ms: int = setting(
        "OUTBOUND_WEBHOOK_MAX_DELAY_MS", _MS, 21600000, "Longest backoff.",
        group=_GROUP, planned=True,
    )
    outbound_webhook_stuck_after_ms: int = setting(
        "OUTBOUND_WEBHOOK_STUCK_AFTER_MS", _MS, 300000, "In flight this long is retried.",
        group=_GROUP, planned=True,
    )
    campaign_stale_after_ms: int = setting(
        "CAMPAIGN_STALE_AFTER_MS", _MS, 900000, "A campaign without progress is resumed.",
        group=_GROUP, planned=True,
    )
    campaign_give_up_after_ms: int = setting(
        "CAMPAIGN_GIVE_UP_AFTER_MS", _MS, 21600000, "A campaign without progress is failed.",
        group=_GROUP, planned=True,
    )
    campaign_promote_grace_ms: int = setting(
        "CAMPAIGN_PROMOTE_GRACE_MS", _MS, 120000, "Lateness before a campaign is promoted.",
        group=_GROUP, planned=True,
    )
    campaign_define_grace_ms: int = setting(
        "CAMPAIGN_DEFINE_GRACE_MS", _MS, 3600000, "Oldest send date a definition may carry.",
        group=_GROUP, planned=True,
    )
