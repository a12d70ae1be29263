"""The person's time zone, recorded so that a replay computes the same instants."""

from __future__ import annotations

from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.schedule import When
from hogsend.journeys.timezone import resolve_timezone
from hogsend.kernel.timezones import get_zone

_KEY = "timezone"


def timezone_of(passage: Passage) -> str:
    """The zone that was in force when the journey first asked."""
    step = passage.find(_KEY)
    if step is None:
        step = passage.keep(_KEY, "timezone", _resolve(passage))
    return str(step.value)


def zone_for_mail(passage: Passage) -> str:
    """The same zone, without recording one: what the mailer decides is recorded anyway."""
    step = passage.journal.peek(_KEY)
    return _resolve(passage) if step is None else str(step.value)


def _resolve(passage: Passage) -> str:
    enrollment = passage.enrollment
    zone = resolve_timezone(
        contact_timezone=enrollment.timezone,
        contact_properties={"timezone": enrollment.property_timezone},
        default=passage.services.timezone,
    )
    for source, name in zone.ignored:
        passage.warn_once("journey.timezone_ignored", source=source, zone=name)
    return zone.name


def when_of(passage: Passage) -> When:
    """The schedule grammar at the journey's clock in the person's zone."""
    return When(
        now=passage.now,
        zone=get_zone(timezone_of(passage)),
        send_window=passage.services.send_window,
    )
