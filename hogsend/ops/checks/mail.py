"""Mail: is there a way out, and whose name is on it."""

from __future__ import annotations

from collections.abc import Sequence

from hogsend.ops.checks.finding import Finding, ok, problem, warning
from hogsend.settings import Settings

_SUBJECT = "mail"
_PLACEHOLDER = "noreply@hogsend.com"


def check_mail(settings: Settings) -> Sequence[Finding]:
    """What the settings say of the provider; `hogsend domain check` looks at the DNS."""
    provider = settings.email_provider or _guess(settings)
    if provider is None:
        return [
            problem(
                _SUBJECT,
                "no provider is configured: every send will fail",
                "set RESEND_API_KEY, POSTMARK_SERVER_TOKEN with EMAIL_PROVIDER=postmark, "
                "SMTP_HOST, or HOGSEND_OUTBOX_DIR for files",
            )
        ]
    findings = [ok(_SUBJECT, f"provider {provider}")]
    if provider == "outbox" and settings.node_env == "production":
        findings.append(
            warning(
                _SUBJECT, "mails are written to files, none is sent", "configure a real provider"
            )
        )
    if provider != "outbox" and _PLACEHOLDER in settings.email_from:
        findings.append(
            problem(
                _SUBJECT,
                f"the sender is {_PLACEHOLDER}, which is not yours",
                "set EMAIL_FROM to an address of your own domain",
            )
        )
    if settings.node_env == "production" and "localhost" in settings.api_public_url:
        findings.append(
            problem(
                _SUBJECT,
                f"links in mails lead to {settings.api_public_url}",
                "set API_PUBLIC_URL on api and worker",
            )
        )
    return findings


def _guess(settings: Settings) -> str | None:
    if settings.resend_api_key:
        return "resend"
    if settings.smtp_host:
        return "smtp"
    return "outbox" if settings.outbox_dir else None
