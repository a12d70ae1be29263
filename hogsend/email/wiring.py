"""Builds the mailer from settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from hogsend.contacts.wiring import build_hasher
from hogsend.db import Executor
from hogsend.email.compose import TestState
from hogsend.email.decorate import MailDecorator, UrlMaker
from hogsend.email.drive import SendObserver
from hogsend.email.hand_over import SentListener
from hogsend.email.mailer import Mailer, MailerOptions
from hogsend.email.pacing import Rate, RateLimits
from hogsend.email.policy import Cap, FrequencyCaps, SendPolicy, SendWindow
from hogsend.email.providers.base import EmailProvider
from hogsend.email.providers.postmark import PostmarkOptions
from hogsend.email.providers.registry import ProviderOptions, select_provider
from hogsend.email.providers.smtp import SmtpOptions
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.email.templates.reload import ReloadingTemplates
from hogsend.kernel.clock import Clock
from hogsend.kv.client import Kv
from hogsend.net.client import HttpClient
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.telemetry.tracing import Tracing

# What a new account of Resend may do.
_RESEND_RATE = 2.0


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
    urls: UrlMaker | None = None,
    decorators: Sequence[MailDecorator] = (),
    kv: Kv | None = None,
    is_opt_in: Callable[[str], bool] | None = None,
    read_test_state: Callable[[], TestState] | None = None,
    on_sent: Sequence[SentListener] = (),
    tracing: Tracing | None = None,
) -> Mailer:
    """A mailer with the provider the settings name; ``provider`` replaces that choice.

    ``is_opt_in`` says whether a category must be joined first (``preferences`` knows);
    ``read_test_state`` replaces the fixed test mode of the settings (``email.domains`` knows).
    Reads and compiles every template, opens no connection. Raises ConfigError.
    """
    chosen = provider or select_provider(read_provider_options(settings), http=http or HttpClient())
    return Mailer(
        db,
        provider=chosen,
        templates=load_templates(settings, template_dirs),
        options=read_mailer_options(settings, provider=chosen.name, is_opt_in=is_opt_in),
        clock=clock,
        new_id=new_id,
        observe=observe,
        urls=urls,
        decorators=decorators,
        kv=kv,
        read_test_state=read_test_state,
        on_sent=on_sent,
        tracing=tracing,
    )


def load_templates(
    settings: Settings, directories: Sequence[Path]
) -> TemplateRegistry | ReloadingTemplates:
    """The templates of the content, read now; with HOGSEND_RELOAD_TEMPLATES again when changed."""
    if settings.reload_templates:
        return ReloadingTemplates(directories)
    return TemplateRegistry.load(directories)


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
    postmark = (
        PostmarkOptions(
            server_token=settings.postmark_server_token,
            message_stream=settings.postmark_message_stream,
            broadcast_stream=settings.postmark_broadcast_stream,
        )
        if settings.postmark_server_token
        else None
    )
    return ProviderOptions(
        selected=settings.email_provider,
        resend_api_key=settings.resend_api_key,
        postmark=postmark,
        smtp=smtp,
        outbox_directory=settings.outbox_dir,
    )


def read_mailer_options(
    settings: Settings,
    *,
    provider: str | None = None,
    is_opt_in: Callable[[str], bool] | None = None,
) -> MailerOptions:
    """Sender, test mode, limits.

    ``HOGSEND_TEST_MODE=auto`` is decided elsewhere (``read_test_state``); without that, an unknown
    state of the domain counts as verified.
    """
    return MailerOptions(
        sender=settings.email_from,
        reply_to=settings.email_reply_to,
        is_test=settings.test_mode == "true",
        test_inbox=settings.test_email,
        policy=_read_policy(settings, is_opt_in),
        rates=_read_rates(settings, provider),
    )


def _read_policy(settings: Settings, is_opt_in: Callable[[str], bool] | None) -> SendPolicy:
    caps = {
        category: Cap(count=count, window=window)
        for category, count, window in settings.frequency_cap
    }
    window = settings.send_window
    return SendPolicy(
        caps=FrequencyCaps(
            overall=caps.get(None),
            by_category={name: cap for name, cap in caps.items() if name is not None},
        ),
        window=SendWindow(start=window[0], end=window[1], timezone=settings.send_timezone)
        if window
        else None,
        control_percent=settings.global_control_percent,
        control_salt=settings.global_control_salt,
        is_opt_in=is_opt_in or (lambda category: False),
        refusal_hashes=build_hasher(settings).hashes,
    )


def _read_rates(settings: Settings, provider: str | None) -> RateLimits:
    per_second = settings.email_rate
    if per_second is None and provider == "resend":
        per_second = _RESEND_RATE
    return RateLimits(
        provider=_to_rate(per_second) if per_second is not None else None,
        domains={domain: _to_rate(rate) for domain, rate in settings.email_domain_rates},
    )


def _to_rate(per_second: float) -> Rate:
    """A second's worth may go at once."""
    return Rate(per_second=per_second, burst=max(1, int(per_second)))
