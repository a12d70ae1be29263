"""The journeys that run here, indexed by the events they care about."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Final, Protocol

from hogsend.conditions.evaluate import evaluate
from hogsend.conditions.pattern import EventPattern
from hogsend.errors import ConfigError
from hogsend.events.matching import Matches
from hogsend.events.models import NewEvent
from hogsend.journeys.meta import JourneyDefinition
from hogsend.kernel.wire_json import JsonValue
from hogsend.kernel.words import suggest

_NOTHING = Matches()
_SCALARS = (str, int, float, bool, type(None))

DISABLED: Final = "journey_disabled"
UNMET: Final = "trigger_conditions_not_met"


class CountsOutcome(Protocol):
    """Told what became of somebody, for metrics."""

    def __call__(self, *, journey: str, outcome: str) -> None: ...


class _HasJourneys(Protocol):
    @property
    def journeys(self) -> Mapping[str, JourneyDefinition]: ...


class JourneyRegistry:
    """Implements EventMatcher. ``enabled`` None runs every journey of the app.

    Switched-off journeys (``enabled=False``) are never started but go on for those inside. Exits
    are matched for every journey of the app: people may be inside from a time when it ran.
    """

    def __init__(self, app: _HasJourneys, enabled: Sequence[str] | None) -> None:
        """Raises ConfigError when ``enabled`` names a journey that does not exist."""
        chosen = _choose(app.journeys, enabled)
        self._journeys = {journey_id: app.journeys[journey_id] for journey_id in chosen}
        self._triggered: dict[str, list[JourneyDefinition]] = defaultdict(list)
        self._exits: dict[str, list[tuple[str, list[EventPattern]]]] = defaultdict(list)
        for definition in self._journeys.values():
            self._triggered[definition.meta.trigger.event].append(definition)
        for definition in app.journeys.values():
            for event in dict.fromkeys(p.event for p in definition.meta.exit_on):
                rules = [p for p in definition.meta.exit_on if p.event == event]
                self._exits[event].append((definition.meta.id, rules))

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the journeys that run here, in the order of the source."""
        return tuple(self._journeys)

    def find(self, journey_id: str) -> JourneyDefinition | None:
        """A journey that runs here."""
        return self._journeys.get(journey_id)

    def hears(self, event: str) -> bool:
        """Whether some journey starts or ends with this event, or has its name in the code, as
        one that waits for it does."""
        return (
            any(d.meta.enabled for d in self._triggered.get(event, ()))
            or event in self._exits
            or any(mentions(definition.run, event) for definition in self._journeys.values())
        )

    def match(self, event: str, properties: Mapping[str, JsonValue]) -> Matches:
        """See EventMatcher. Triggers see scalar properties only, exits see all of them."""
        triggered = self._triggered.get(event)
        exiting = self._exits.get(event)
        if triggered is None and exiting is None:
            return _NOTHING
        scalars = scalars_of(properties)
        return Matches(
            starts=tuple(d.meta.id for d in triggered or () if _starts(d, scalars)),
            exits=tuple(
                (journey_id, any(evaluate(rule.where, properties) for rule in rules))
                for journey_id, rules in exiting or ()
            ),
        )

    def refuse(self, event: str, properties: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
        """Journeys that this event triggers and that ``match`` does not start, with the reason.

        No row remembers these refusals: most events of a busy trigger may be such.
        """
        triggered = self._triggered.get(event)
        if triggered is None:
            return []
        scalars = scalars_of(properties)
        return [
            (d.meta.id, UNMET if d.meta.enabled else DISABLED)
            for d in triggered
            if not _starts(d, scalars)
        ]

    def refusal_counter(self, observe: CountsOutcome | None) -> Callable[[NewEvent], None] | None:
        """What ``Ingest`` tells its events, so that refusals at the door are counted as well."""
        if observe is None:
            return None

        def count(event: NewEvent) -> None:
            for journey, reason in self.refuse(event.name, event.properties):
                observe(journey=journey, outcome=reason)

        return count


def _starts(definition: JourneyDefinition, scalars: Mapping[str, JsonValue]) -> bool:
    return definition.meta.enabled and evaluate(definition.meta.trigger.where, scalars)


def scalars_of(properties: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What triggers see of an event."""
    return {k: v for k, v in properties.items() if isinstance(v, _SCALARS)}


def _choose(
    journeys: Mapping[str, JourneyDefinition], enabled: Sequence[str] | None
) -> Sequence[str]:
    if enabled is None or not journeys:
        return tuple(journeys)
    known = sorted(journeys)
    unknown = [name for name in enabled if name not in journeys]
    if unknown:
        names = ", ".join(f"{name!r}{suggest(name, known)}" for name in unknown)
        raise ConfigError(
            f"ENABLED_JOURNEYS names journeys that do not exist: {names}",
            hint=f"known: {', '.join(known)}",
        )
    return [journey_id for journey_id in journeys if journey_id in enabled]


def mentions(function: Callable[..., object], text: str) -> bool:
    """Whether a text stands in the code of a function, in one inside it, or in a name of its module
    that it uses. What it calls elsewhere is not looked at."""
    places = [getattr(inspect.unwrap(function), "__code__", None)]
    names = getattr(inspect.unwrap(function), "__globals__", {})
    while places:
        code = places.pop()
        if not isinstance(code, CodeType):
            continue
        if text in [c for c in code.co_consts if isinstance(c, str)]:
            return True
        if any(
            names.get(name) == text for name in code.co_names if isinstance(names.get(name), str)
        ):
            return True
        places += [c for c in code.co_consts if isinstance(c, CodeType)]
    return False
