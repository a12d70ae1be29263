"""Chooses whose domain API there is, from the settings."""

from __future__ import annotations

from hogsend.email.domains.base import DomainProvider, check_domain
from hogsend.email.domains.postmark import PostmarkDomains
from hogsend.email.domains.resend import ResendDomains
from hogsend.errors import InvalidInput
from hogsend.kernel.addresses import domain_of, parse_sender
from hogsend.net.client import HttpClient
from hogsend.settings import Settings


def select_domains(settings: Settings, http: HttpClient) -> DomainProvider | None:
    """The domain API of the provider that sends; None when it has none or no key for it."""
    selected = settings.email_provider or ("resend" if settings.resend_api_key else None)
    if selected == "resend" and settings.resend_api_key:
        return ResendDomains(http, api_key=settings.resend_api_key)
    if selected == "postmark" and settings.postmark_account_token:
        return PostmarkDomains(http, account_token=settings.postmark_account_token)
    return None


def sending_domain(settings: Settings) -> str | None:
    """EMAIL_DOMAIN, else the domain of EMAIL_FROM; None for our own placeholder."""
    if settings.email_domain:
        return check_domain(settings.email_domain)
    if not (settings.is_set("EMAIL_FROM") or settings.is_set("RESEND_FROM_EMAIL")):
        return None
    try:
        return check_domain(domain_of(parse_sender(settings.email_from)[1]))
    except InvalidInput:
        return None
