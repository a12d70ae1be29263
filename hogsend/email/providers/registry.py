"""Which provider carries the mail of this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hogsend.email.providers.base import EmailProvider
from hogsend.email.providers.outbox import OutboxProvider
from hogsend.email.providers.postmark import PostmarkOptions, PostmarkProvider
from hogsend.email.providers.resend import ResendProvider
from hogsend.email.providers.smtp import SmtpOptions, SmtpProvider
from hogsend.email.providers.unconfigured import UnconfiguredProvider
from hogsend.errors import ConfigError
from hogsend.net.client import HttpClient

_DEFAULT = "resend"
_NEEDS = {
    "resend": "set RESEND_API_KEY",
    "postmark": "set POSTMARK_SERVER_TOKEN",
    "smtp": "set SMTP_HOST",
    "outbox": "set HOGSEND_OUTBOX_DIR",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """What is configured. ``selected`` is EMAIL_PROVIDER; None leaves the choice to us."""

    selected: str | None = None
    resend_api_key: str | None = field(default=None, repr=False)
    postmark: PostmarkOptions | None = None
    smtp: SmtpOptions | None = None
    outbox_directory: Path | None = None


def select_provider(options: ProviderOptions, *, http: HttpClient) -> EmailProvider:
    """The named provider; else Resend; else ``smtp`` or ``outbox`` when it is the only one
    configured; else one that refuses mail.

    Credentials of Postmark register it and choose nothing: EMAIL_PROVIDER must name it. Raises
    ConfigError when the named provider is unknown or not configured, and when the choice between
    several is open. Opens no connection.
    """
    configured = _list_configured(options, http=http)
    wanted = options.selected or _DEFAULT
    if options.selected is None and len(configured) == 1 and "postmark" not in configured:
        (wanted,) = configured
    if wanted == UnconfiguredProvider.name:
        return UnconfiguredProvider()
    if wanted in configured:
        return configured[wanted]()
    if options.selected is None and not configured:
        return UnconfiguredProvider()
    known = ", ".join(sorted(configured)) or "none"
    if options.selected is None:
        raise ConfigError(
            f"no mail provider is chosen (configured: {known})",
            hint="set EMAIL_PROVIDER to one of them",
        )
    if wanted in _NEEDS:
        raise ConfigError(
            f"EMAIL_PROVIDER={wanted} is not configured (configured: {known})",
            hint=_NEEDS[wanted],
        )
    raise ConfigError(
        f"EMAIL_PROVIDER={wanted} is not a mail provider (configured: {known})",
        hint=f"use one of {', '.join(_NEEDS)}",
    )


def _list_configured(
    options: ProviderOptions, *, http: HttpClient
) -> dict[str, Callable[[], EmailProvider]]:
    found: dict[str, Callable[[], EmailProvider]] = {}
    api_key, postmark = options.resend_api_key, options.postmark
    smtp, directory = options.smtp, options.outbox_directory
    if api_key is not None:
        found[ResendProvider.name] = lambda: ResendProvider(http, api_key=api_key)
    if postmark is not None:
        found[PostmarkProvider.name] = lambda: PostmarkProvider(http, postmark)
    if smtp is not None:
        found[SmtpProvider.name] = lambda: SmtpProvider(smtp)
    if directory is not None:
        found[OutboxProvider.name] = lambda: OutboxProvider(directory)
    return found
