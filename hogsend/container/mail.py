"""How mail goes out: the mailer both processes share, the route that promises, the queue that
keeps the promise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hogsend.access.guards import Guards
from hogsend.access.store import find_admin
from hogsend.container import mail_returns
from hogsend.container.parts import Parts
from hogsend.email import wiring
from hogsend.email.categories import CategoryBook, check_categories
from hogsend.email.mailer import Mailer
from hogsend.email.queue import SendQueue, SendTopic
from hogsend.email.redrive import Redrive
from hogsend.email.reset_mail import ResetMails
from hogsend.email.tasks import email_tasks
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.ids import uuid7
from hogsend.orchestrator.port import Submitter, Task
from hogsend.preferences.lists import RESERVED, ListRegistry
from hogsend.studio import urls
from hogsend.web.route import Route

_QUEUE_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MailQueue:
    """The worker's half of ``POST /v1/emails``."""

    topic: SendTopic
    tasks: list[Task]


def build_mailer(parts: Parts) -> Mailer:
    """One mailer; opens nothing before the first mail.

    Raises ConfigError for templates and providers that cannot work.
    """
    lists = mail_returns.build_lists(parts)
    mailer = parts.closed(
        wiring.build_mailer(
            parts.settings,
            parts.db,
            template_dirs=parts.app.template_dirs,
            clock=parts.clock,
            new_id=uuid7,
            urls=mail_returns.build_links(parts),
            decorators=[mail_returns.build_rewriter(parts)],
            kv=parts.kv,
            observe=parts.metrics.count_send if parts.metrics else None,
            tracing=parts.tracing,
            is_opt_in=lists.is_opt_in,
            read_test_state=mail_returns.build_watch(parts).read,
        )
    )
    templates = mailer.templates
    check_categories(
        [templates.get_definition(key) for key in templates.keys()],  # noqa: SIM118
        _category_book(parts, lists),
        journeys=[
            (journey_id, parts.app.journeys[journey_id].meta.category)
            for journey_id in parts.registry.ids
        ],
    )
    return mailer


def _category_book(parts: Parts, lists: ListRegistry) -> CategoryBook:
    here = {found.id for found in lists.all()}
    return CategoryBook(
        builtin=RESERVED - {"in_app"},
        topics=[found.id for found in lists.all() if found.kind == "topic"],
        channels=[found.id for found in lists.all() if found.kind == "channel"],
        disabled=[
            (found.id, not found.default_opt_in)
            for found in parts.app.lists
            if found.id not in here
        ],
    )


def build_queue(parts: Parts, mailer: Mailer, submitter: Submitter) -> MailQueue:
    """What the relay ships and the engine runs."""
    queue = parts.closed(
        SendQueue(
            parts.db,
            mailer,
            clock=parts.clock,
            new_id=uuid7,
            threads=_QUEUE_THREADS,
            lease=timedelta(seconds=parts.settings.lease_seconds),
        )
    )
    redrive = Redrive(parts.db, mailer, clock=parts.clock)
    return MailQueue(topic=SendTopic(submitter=submitter), tasks=email_tasks(queue, redrive))


def build_reset_mails(parts: Parts, mailer: Mailer) -> ResetMails:
    """How a forgotten Studio password is mailed."""
    page = f"{parts.settings.better_auth_url}{urls.RESET}"
    return ResetMails(mailer, page=page, poke=parts.nudge.poke)


def email_routes(parts: Parts, guards: Guards, mailer: Mailer) -> list[Route]:
    """``POST /v1/emails`` and the template routes of operators."""
    from hogsend.email import admin, api

    lists = mail_returns.build_lists(parts)
    emails = api.EmailsApi(
        db=parts.db,
        mailer=mailer,
        nudge=parts.nudge,
        is_category=lambda category: _is_category(lists, category),
    )
    templates = admin.TemplatesAdmin(
        mailer=mailer, is_operator=lambda address: _is_operator(parts, address)
    )
    return [*api.routes(emails, guards), *admin.routes(templates, guards)]


def _is_operator(parts: Parts, address: str) -> bool:
    """An administrator, or an inbox the settings name."""
    named = (parts.settings.test_email, parts.settings.studio_admin_email)
    if address in {normalize_email(one) for one in named if one}:
        return True
    return find_admin(parts.db, address) is not None


def _is_category(lists: ListRegistry, category: str) -> bool:
    """Built-in, or a topic that exists here: an unknown one would count as allowed."""
    found = lists.find(category)
    return category in RESERVED - {"in_app"} or (found is not None and found.kind == "topic")
