"""What comes back from mail: links followed, people leaving, providers reporting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hogsend.container.parts import Parts
from hogsend.kernel.ids import uuid7
from hogsend.outbox.models import TopicHandler
from hogsend.preferences.lists import ListRegistry
from hogsend.preferences.optin import ConfirmLinks
from hogsend.preferences.unsubscribe import PreferenceLinks
from hogsend.preferences.write import PreferenceWriter
from hogsend.tracking.rewrite import LinkRewriter
from hogsend.web.route import Route

if TYPE_CHECKING:
    from hogsend.access.guards import Guards
    from hogsend.email.domains.watch import DomainWatch
    from hogsend.email.mailer import Mailer


def build_lists(parts: Parts) -> ListRegistry:
    """The lists of the content that exist here."""
    return ListRegistry(parts.app.lists, enabled=parts.settings.enabled_lists)


def build_links(parts: Parts) -> PreferenceLinks:
    """The links with which people leave."""
    return PreferenceLinks(parts.settings.api_public_url, parts.signer)


def build_confirm_links(parts: Parts) -> ConfirmLinks:
    """The links in mails that ask for confirmation."""
    return ConfirmLinks(parts.settings.api_public_url, parts.signer)


def build_rewriter(parts: Parts) -> LinkRewriter:
    """Makes the links of a mail ours."""
    return LinkRewriter(parts.settings.api_public_url)


def build_watch(parts: Parts) -> DomainWatch:
    """Knows whether the sending domain is verified; decides test mode ``auto``."""
    from hogsend.email.domains.watch import DomainWatch, TestModeRules
    from hogsend.email.domains.wiring import select_domains
    from hogsend.net.client import HttpClient

    settings = parts.settings
    rules = TestModeRules(
        # Only an explicit EMAIL_DOMAIN: deriving it would redirect mail nobody asked to.
        mode=settings.test_mode,
        domain=settings.email_domain,
        inbox=settings.test_email,
    )
    domains = select_domains(settings, parts.closed(HttpClient()))
    return DomainWatch(parts.db, rules, domains, clock=parts.clock)


def operator_routes(parts: Parts, guards: Guards) -> list[Route]:
    """The operator's view of the sending domain and of those who get no mail."""
    from hogsend.email.domains import api as domain_api
    from hogsend.email.domains.wiring import select_domains, sending_domain
    from hogsend.email.providers.resend import ResendProvider
    from hogsend.net.client import HttpClient
    from hogsend.preferences import suppression_admin

    settings = parts.settings
    provider = select_domains(settings, parts.closed(HttpClient()))
    provider_id = settings.email_provider or "resend"
    api = domain_api.DomainApi(
        provider_id=provider_id,
        provider=provider,
        domain=sending_domain(settings),
        watch=build_watch(parts),
        inbox=settings.test_email,
        test_sender=ResendProvider.capabilities.test_sender if provider_id == "resend" else None,
        clock=parts.clock,
    )
    return [
        *domain_api.routes(api, guards),
        *suppression_admin.routes(suppression_admin.SuppressionsApi(db=parts.db), guards),
    ]


def public_routes(parts: Parts, *, registry: ListRegistry, writer: PreferenceWriter) -> list[Route]:
    """Tracking, provider webhooks and preference pages; none asks for an API key."""
    from hogsend.email.feedback import api as feedback_api
    from hogsend.email.feedback.wiring import build_sources, read_suppression_policy
    from hogsend.preferences import optin_pages, unsubscribe_pages
    from hogsend.preferences.pages import Pages
    from hogsend.tracking import api as tracking_api
    from hogsend.tracking.identity import IdentityTokens
    from hogsend.tracking.models import HitPolicy

    settings = parts.settings
    pages = Pages()
    tracking = tracking_api.TrackingApi(
        parts.db,
        home_url=settings.api_public_url,
        clock=parts.clock,
        new_id=uuid7,
        ingest=parts.ingest,
        nudge=parts.nudge,
        kv=parts.kv,
        pages=pages,
        tokens=IdentityTokens(
            settings.better_auth_secret, previous=settings.better_auth_secret_previous
        ),
        adds_identity=settings.tracking_identity_token,
        policy=HitPolicy(hold_seconds=settings.click_hold_seconds),
    )
    feedback = feedback_api.FeedbackApi(
        parts.db,
        build_sources(settings),
        policy=read_suppression_policy(settings),
        clock=parts.clock,
        new_id=uuid7,
        nudge=parts.nudge,
    )
    preferences = unsubscribe_pages.PreferencePages(
        db=parts.db,
        links=build_links(parts),
        lists=registry,
        writer=writer,
        pages=pages,
        clock=parts.clock,
    )
    confirmations = optin_pages.ConfirmPages(
        db=parts.db,
        links=build_confirm_links(parts),
        lists=registry,
        writer=writer,
        pages=pages,
        clock=parts.clock,
    )
    return [
        *tracking_api.routes(tracking),
        *feedback_api.routes(feedback),
        *unsubscribe_pages.routes(preferences),
        *optin_pages.routes(confirmations),
    ]


def topics(parts: Parts, mailer: Mailer) -> list[TopicHandler]:
    """The worker's half."""
    from hogsend.email.feedback.events import FeedbackEvents
    from hogsend.email.feedback.wiring import read_suppression_policy
    from hogsend.email.optin_mail import OptInMails
    from hogsend.outbound.promises import Promises
    from hogsend.tracking.hits import HitEvents

    return [
        HitEvents(parts.db, parts.ingest, clock=parts.clock, promises=Promises(parts.clock)),
        FeedbackEvents(parts.db, parts.ingest, policy=read_suppression_policy(parts.settings)),
        OptInMails(parts.db, mailer, lists=build_lists(parts), links=build_confirm_links(parts)),
    ]
