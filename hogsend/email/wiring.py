"""Builds the mailer from settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from hogsend.db import Executor
from hogsend.email.mailer import Mailer, MailerOptions, SendObserver
from hogsend.email.providers.base import EmailProvider
from hogsend.email.providers.registry import ProviderOptions, select_provider
from hogsend.email.providers.smtp import SmtpOptions
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.kernel.clock import Clock
from hogsend.net.client import HttpClient
from hogsend.settings import Settings


def build_mailer(
    settings: Settings,
    db: Executor,
    *,
    template_dirs: Sequence[Path],
    clock: Clock,
    new_id: Callable[[], UUID],
    http: HttpClient | None = None,
    provider: EmailProvider | None = None,
    observe: SendObserver | None = None,
) -> Mailer:
    """A mailer with the provider the settings name; ``provider`` replaces that choice.

    Reads and compiles every template, opens no connection. Raises ConfigError.
    """
    chosen = provider or select_provider(read_provider_options(settings), http=http or HttpClient())
    return Mailer(
        db,
        provider=chosen,
        templates=TemplateRegistry.load(template_dirs),
        options=read_mailer_options(settings),
        clock=clock,
        new_id=new_id,
        observe=observe,
    )


def read_provider_options(settings: Settings) -> ProviderOptions:
    """What the environment configured, by provider."""
    smtp = (
        SmtpOptions(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            username=settings.smtp_user,
            password=settings.smtp_password,
        )
        if settings.smtp_host
        else None
    )
    return ProviderOptions(
        selected=settings.email_provider,
        resend_api_key=settings.resend_api_key,
        smtp=smtp,
        outbox_directory=settings.outbox_dir,
    )


def read_mailer_options(settings: Settings) -> MailerOptions:
    """Sender and test mode.

    ``HOGSEND_TEST_MODE=auto`` redirects while a sending domain is known to be unverified. No
    provider here reports the state of a domain, and an unknown state counts as verified.
    """
    return MailerOptions(
        sender=settings.email_from,
        is_test=settings.test_mode == "true",
        test_inbox=settings.test_email,
    )
