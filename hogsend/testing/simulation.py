"""Plays what people do on the journeys of an app, and adds up what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from hogsend.journeys.runtime.scan import scan
from hogsend.kernel.wire_json import JsonObject
from hogsend.kernel.words import suggest
from hogsend.testing.histories_file import Occurrence
from hogsend.testing.people import TimelineEntry
from hogsend.testing.timeline import timeline_json
from hogsend.testing.world import World

if TYPE_CHECKING:
    from hogsend.app import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """``outcomes`` counts (journey, status or reason of refusal); ``mails`` counts
    (template, status). ``warnings`` is what the code does that it should not, each once;
    ``unheard`` are events that no journey is triggered by, and what may have been meant."""

    timeline: Sequence[TimelineEntry]
    outcomes: dict[tuple[str, str], int]
    mails: dict[tuple[str, str], int]
    ended_at: datetime
    warnings: Sequence[str] = ()
    unheard: Sequence[str] = ()

    @property
    def has_failures(self) -> bool:
        """True when an enrollment failed."""
        return any(status == "failed" for _, status in self.outcomes)

    def to_json(self) -> JsonObject:
        """Everything, for programs."""
        return {
            "endedAt": self.ended_at.isoformat(),
            "journeys": [
                {"journeyId": journey, "outcome": outcome, "count": count}
                for (journey, outcome), count in self.outcomes.items()
            ],
            "mails": [
                {"template": template, "status": status, "count": count}
                for (template, status), count in self.mails.items()
            ],
            "warnings": [*self.warnings],
            "timeline": [*timeline_json(self.timeline)],
        }


def simulate_occurrences(
    app: App,
    occurrences: Sequence[Occurrence],
    *,
    span: timedelta,
    journeys: Sequence[str] = (),
) -> Simulation:
    """Play occurrences in order of time, then let ``span`` pass or until nobody is inside.

    ``journeys`` limits the timeline and the sums to some of them.
    """
    begin = min(occurrence.at for occurrence in occurrences)
    with capture_logs(), World(app, now=begin) as world:
        for occurrence in occurrences:
            world.go_to(occurrence.at)
            person = world.person(occurrence.user_id)
            person.email = occurrence.email or person.email
            person.timezone = occurrence.timezone or person.timezone
            world.tell(person, occurrence.event, occurrence.properties)
        _let_pass(world, span)
        unheard = _find_unheard(app, [occurrence.event for occurrence in occurrences])
        return _sum_up(world, journeys, unheard)


def _let_pass(world: World, span: timedelta) -> None:
    limit = world.clock.now() + span
    while (due := world.memory.next_due()) is not None and due <= limit:
        world.go_to(max(due, world.clock.now()))


def _find_unheard(app: App, events: Sequence[str]) -> list[str]:
    """Events that nobody enters or leaves by, when somebody enters or leaves by a similar name."""
    known = sorted(
        {
            pattern.event
            for journey in app.journeys.values()
            for pattern in (journey.meta.trigger, *journey.meta.exit_on)
        }
    )
    found = [(event, suggest(event, known)) for event in dict.fromkeys(events)]
    return [
        f"no journey begins or ends with {event!r}{meant}"
        for event, meant in found
        if event not in known and meant
    ]


def _find_warnings(world: World) -> list[str]:
    """What a worker would log about the code, and what Python says about forgotten awaits."""
    lines = [
        f"{line['place']}: {line.get('error') or line.get('hint')}"
        for line in world.logs
        if line.get("log_level") == "warning" and line.get("place")
    ]
    entered = dict.fromkeys(p.journey_id for p in world.memory.passengers.values())
    lines += [f"{p.place}: {p.message}" for j in entered for p in scan(world.app.journeys[j])]
    lines += [f"{place}: {said}" for place, said in world.forgotten.items()]
    return list(dict.fromkeys(lines))


def _sum_up(world: World, journeys: Sequence[str], unheard: Sequence[str]) -> Simulation:
    outcomes: Counter[tuple[str, str]] = Counter()
    for passenger in world.memory.passengers.values():
        outcomes[passenger.journey_id, passenger.status] += 1
    for journey_id, _, reason in world.memory.refusals:
        if reason != "held_out":
            outcomes[journey_id, reason] += 1
    mails = Counter((mail.template, "sent") for mail in world.mailbox)
    mails.update((r.template, f"{a.status}: {a.reason}") for r, a in world.mailbox.stopped)
    wanted = set(journeys)
    return Simulation(
        timeline=[
            e
            for e in world.timeline
            if not wanted or e.journey_id is None or e.journey_id in wanted
        ],
        outcomes={k: n for k, n in sorted(outcomes.items()) if not wanted or k[0] in wanted},
        mails=dict(sorted(mails.items())),
        ended_at=world.clock.now(),
        warnings=_find_warnings(world),
        unheard=unheard,
    )
