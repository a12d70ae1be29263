"""What the worker deletes when it got old; docs/retention.md names every table."""

from __future__ import annotations

from datetime import timedelta

from hogsend.access.tasks import access_tasks
from hogsend.contacts.tasks import contact_tasks
from hogsend.container.parts import Parts
from hogsend.idempotency.tasks import idempotency_tasks
from hogsend.journeys.forget import JourneyAges, forget_task
from hogsend.orchestrator.port import Task
from hogsend.outbound.tasks import outbound_tasks
from hogsend.tracking.forget import forget_tasks


def forgetting_tasks(parts: Parts) -> list[Task]:
    """Each after days of its own."""
    db, clock, settings = parts.db, parts.clock, parts.settings
    journeys_for = JourneyAges(
        journal=_days(settings.journal_days), log=_days(settings.journey_log_days)
    )
    return [
        *access_tasks(db, clock=clock, audit_for=_days(settings.audit_days)),
        *idempotency_tasks(db),
        *contact_tasks(db, clock=clock, drafts_for=_days(settings.anonymous_draft_days)),
        *outbound_tasks(db, clock=clock, keep_for=_days(settings.outbound_retention_days)),
        *forget_tasks(db, clock=clock, details_for=_days(settings.hit_detail_days)),
        forget_task(db, clock=clock, ages=journeys_for),
    ]


def _days(count: int) -> timedelta:
    return timedelta(days=count)
