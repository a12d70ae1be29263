"""Settings of the engine that runs journeys and of the mail they send."""

# ruff: noqa: RUF009 -- setting() returns a dataclass field, which is made anew for each class
from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from typing import Literal

from hogsend.settings import kinds
from hogsend.settings.core import CoreSettings
from hogsend.settings.declare import setting

Orchestrator = Literal["hatchet", "local"]
TlsStrategy = Literal["tls", "mtls", "none"]
SmtpSecurity = Literal["starttls", "tls", "none"]
TestMode = Literal["auto", "true", "false"]

_ORCHESTRATOR: kinds.Kind[Orchestrator] = kinds.one_of("hatchet", "local")
_TLS: kinds.Kind[TlsStrategy] = kinds.one_of("tls", "mtls", "none")
_SMTP: kinds.Kind[SmtpSecurity] = kinds.one_of("starttls", "tls", "none")
_TEST_MODE: kinds.Kind[TestMode] = kinds.one_of("auto", "true", "false")
_ENGINE = "Engine"
_JOURNEYS = "Journeys and the outbox"
_EMAIL = "Email"


@dataclass(frozen=True, kw_only=True)
class DeliverySettings(CoreSettings):
    """Not used by itself; Settings inherits the fields."""

    # fmt: off
    orchestrator: Orchestrator = setting(
        "HOGSEND_ORCHESTRATOR", _ORCHESTRATOR, "hatchet",
        "`local` runs journeys inside one worker without an engine. "
        "Supervisor mode takes `local` by itself when there is no token.",
        group=_ENGINE,
    )
    hatchet_client_token: str | None = setting(
        "HATCHET_CLIENT_TOKEN", kinds.TEXT, None,
        "API token of a Hatchet tenant; required unless `HOGSEND_ORCHESTRATOR=local`.",
        group=_ENGINE, secret=True, modes=("api", "worker", "supervisor", "cli"),
    )
    hatchet_client_host_port: str | None = setting(
        "HATCHET_CLIENT_HOST_PORT", kinds.HOST_PORT, None,
        "gRPC address of the engine. Unset: the address inside the token.",
        group=_ENGINE,
    )
    hatchet_client_api_url: str | None = setting(
        "HATCHET_CLIENT_API_URL", kinds.URL, None,
        "REST address of the engine. Unset: the address inside the token.",
        group=_ENGINE,
    )
    hatchet_client_tls_strategy: TlsStrategy = setting(
        "HATCHET_CLIENT_TLS_STRATEGY", _TLS, "tls",
        "`mtls` needs the three files below; `none` is for networks you trust.",
        group=_ENGINE,
    )
    hatchet_client_tls_cert_file: Path | None = setting(
        "HATCHET_CLIENT_TLS_CERT_FILE", kinds.PATH, None, "Client certificate.", group=_ENGINE
    )
    hatchet_client_tls_key_file: Path | None = setting(
        "HATCHET_CLIENT_TLS_KEY_FILE", kinds.PATH, None, "Key of that certificate.", group=_ENGINE
    )
    hatchet_client_tls_root_ca_file: Path | None = setting(
        "HATCHET_CLIENT_TLS_ROOT_CA_FILE", kinds.PATH, None,
        "Authority that signed the engine's certificate. Unset: the system's authorities.",
        group=_ENGINE,
    )
    hatchet_client_tls_server_name: str | None = setting(
        "HATCHET_CLIENT_TLS_SERVER_NAME", kinds.TEXT, None,
        "Name in the engine's certificate, when it is not the host's.",
        group=_ENGINE,
    )
    hatchet_client_namespace: str | None = setting(
        "HATCHET_CLIENT_NAMESPACE", kinds.TEXT, None,
        "Prefix of everything in the engine. Changing it orphans what is running.",
        group=_ENGINE,
    )
    hatchet_client_worker_healthcheck_enabled: bool = setting(
        "HATCHET_CLIENT_WORKER_HEALTHCHECK_ENABLED", kinds.TRUTH, False,
        "Serve the worker's own `/health`.",
        group=_ENGINE, modes=("worker", "supervisor"),
    )
    hatchet_client_worker_healthcheck_port: int = setting(
        "HATCHET_CLIENT_WORKER_HEALTHCHECK_PORT", kinds.PORT, 8001, "Port of that endpoint.",
        group=_ENGINE, modes=("worker", "supervisor"),
    )
    hatchet_worker_slots: int = setting(
        "HATCHET_WORKER_SLOTS", kinds.whole(1, 10000), 100, "Runs of one worker at the same time.",
        group=_ENGINE, modes=("worker", "supervisor"),
    )
    hatchet_worker_name: str = setting(
        "HATCHET_WORKER_NAME", kinds.TEXT, "hogsend-worker", "Name shown in the dashboard.",
        group=_ENGINE, modes=("worker", "supervisor"),
    )
    engine_lost_seconds: float = setting(
        "HOGSEND_ENGINE_LOST_SECONDS", kinds.number(1), 300.0,
        "A worker without the engine for this long exits with code 1, to be restarted.",
        group=_ENGINE, modes=("worker", "supervisor"),
    )

    advance_batch: int = setting(
        "HOGSEND_ADVANCE_BATCH", kinds.whole(1, 1000), 50, "Enrollments in one engine run at most.",
        group=_JOURNEYS,
    )
    journey_attempts: int = setting(
        "HOGSEND_JOURNEY_ATTEMPTS", kinds.whole(1, 100), 5,
        "Tries of a step before its enrollment is failed.",
        group=_JOURNEYS,
    )
    lease_seconds: float = setting(
        "HOGSEND_LEASE_SECONDS", kinds.number(1), 60.0,
        "How long a dead worker's enrollments stay taken; renewed at half while it lives.",
        group=_JOURNEYS,
    )
    outbox_resubmit_seconds: float = setting(
        "HOGSEND_OUTBOX_RESUBMIT_SECONDS", kinds.number(1), 60.0,
        "Work the engine took but nobody began is submitted again after this; doubles each time.",
        group=_JOURNEYS,
    )

    email_provider: str | None = setting(
        "EMAIL_PROVIDER", kinds.TEXT, None,
        "`resend`, `postmark`, `smtp` or `outbox`. Unset: Resend when it is configured.",
        group=_EMAIL,
    )
    email_from: str = setting(
        "EMAIL_FROM", kinds.SENDER, "noreply@hogsend.com", "Sender of mails that name none.",
        aliases=("RESEND_FROM_EMAIL",), group=_EMAIL,
    )
    email_domain: str | None = setting(
        "EMAIL_DOMAIN", kinds.TEXT, None,
        "Your sending domain; with it, test mode `auto` holds mails back until it is verified.",
        group=_EMAIL,
    )
    resend_api_key: str | None = setting(
        "RESEND_API_KEY", kinds.TEXT, None, "Configures `resend`.", group=_EMAIL, secret=True
    )
    resend_webhook_secret: str | None = setting(
        "RESEND_WEBHOOK_SECRET", kinds.TEXT, None, "Verifies what Resend reports later.",
        group=_EMAIL, modes=("api", "supervisor"), secret=True,
    )
    postmark_server_token: str | None = setting(
        "POSTMARK_SERVER_TOKEN", kinds.TEXT, None,
        "Configures `postmark`, which `EMAIL_PROVIDER` must name.",
        group=_EMAIL, secret=True,
    )
    postmark_message_stream: str = setting(
        "POSTMARK_MESSAGE_STREAM", kinds.TEXT, "outbound", "Stream of Postmark that carries mail.",
        group=_EMAIL,
    )
    postmark_broadcast_stream: str | None = setting(
        "POSTMARK_BROADCAST_STREAM", kinds.TEXT, None,
        "Stream for mail people can opt out of. Unset: the same stream as everything.",
        group=_EMAIL,
    )
    smtp_host: str | None = setting(
        "SMTP_HOST", kinds.TEXT, None, "Configures `smtp`.", group=_EMAIL
    )
    smtp_port: int = setting("SMTP_PORT", kinds.PORT, 587, "Port of that server.", group=_EMAIL)
    smtp_user: str | None = setting(
        "SMTP_USER", kinds.TEXT, None, "User name. Unset: no login.", group=_EMAIL
    )
    smtp_password: str | None = setting(
        "SMTP_PASSWORD", kinds.TEXT, None, "Password of that user.", group=_EMAIL, secret=True
    )
    smtp_security: SmtpSecurity = setting(
        "SMTP_SECURITY", _SMTP, "starttls",
        "`starttls` refuses to go on unencrypted, `tls` begins encrypted (port 465).",
        group=_EMAIL,
    )
    outbox_dir: Path | None = setting(
        "HOGSEND_OUTBOX_DIR", kinds.PATH, None,
        "Configures `outbox`: mails become .eml files in this directory and go nowhere.",
        group=_EMAIL,
    )
    test_mode: TestMode = setting(
        "HOGSEND_TEST_MODE", _TEST_MODE, "auto",
        "`true` sends every mail to one inbox instead of its recipient.",
        group=_EMAIL,
    )
    test_email: str | None = setting(
        "HOGSEND_TEST_EMAIL", kinds.EMAIL, None, "That inbox. Without one, mails are blocked.",
        aliases=("STUDIO_ADMIN_EMAIL",), group=_EMAIL,
    )
    email_reply_to: str | None = setting(
        "EMAIL_REPLY_TO", kinds.SENDER, None, "Where answers go when a mail does not say.",
        group=_EMAIL,
    )
    frequency_cap: tuple[tuple[str | None, int, timedelta], ...] = setting(
        "HOGSEND_FREQUENCY_CAP", kinds.CAPS, (),
        "Mails to one person at most, for example `3/7d,news=1/1d`. "
        "A rule of a category replaces the general one for mail that names the category; "
        "`transactional` is never capped.",
        group=_EMAIL,
    )
    send_window: tuple[time, time] | None = setting(
        "HOGSEND_SEND_WINDOW", kinds.HOURS, None,
        "Hours of the person's day in which mail goes out, for example `08:00-21:00`; "
        "mail outside of them waits. `transactional` never waits.",
        group=_EMAIL,
    )
    send_timezone: str = setting(
        "HOGSEND_SEND_TIMEZONE", kinds.ZONE, "UTC", "Time zone of people whose own is not known.",
        group=_EMAIL,
    )
    email_rate: float | None = setting(
        "HOGSEND_EMAIL_RATE", kinds.RATE, None,
        "Calls to the mail provider, all processes together. Unset: 2/s for Resend, otherwise "
        "no limit.",
        group=_EMAIL,
    )
    email_domain_rates: tuple[tuple[str, float], ...] = setting(
        "HOGSEND_EMAIL_DOMAIN_RATES", kinds.DOMAIN_RATES, (),
        "Mails by the recipient's domain, for example `gmail.com=20/s,*=100/s`.",
        group=_EMAIL,
    )
    global_control_percent: float = setting(
        "GLOBAL_CONTROL_PERCENT", kinds.HOLDOUT, 0.0,
        "People who get no mail at all, to measure what mail does.",
        group=_EMAIL,
    )
    global_control_salt: str = setting(
        "GLOBAL_CONTROL_SALT", kinds.TEXT, "global-control",
        "Changing it draws other people.",
        group=_EMAIL,
    )
    reload_templates: bool = setting(
        "HOGSEND_RELOAD_TEMPLATES", kinds.TRUTH, False,
        "Read changed mail templates without a restart; for development.",
        group=_EMAIL,
    )
