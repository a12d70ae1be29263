"""The advances of a world: begun and settled in memory, written down, announced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hogsend.events.models import NewEvent
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Begun, Settled, Settlement, Step
from hogsend.journeys.registry import JourneyRegistry
from hogsend.kernel.wire_json import JsonObject
from hogsend.testing.arrivals import Arrivals
from hogsend.testing.boarding import Boarding
from hogsend.testing.diary import Diary
from hogsend.testing.memory import Memory
from hogsend.testing.people import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceRecord:
    """One settled advance and the whole journal after it."""

    definition: JourneyDefinition
    settlement: Settlement
    steps: tuple[Step, ...]


class AdvanceRecords:
    """Stands between the runtime and the memory; ``settled`` holds every settled advance, in order.

    What an advance announces arrives as an event at once.
    """

    def __init__(
        self, memory: Memory, registry: JourneyRegistry, arrivals: Arrivals, diary: Diary
    ) -> None:
        self.settled: list[AdvanceRecord] = []
        self._memory = memory
        self._boarding = Boarding(memory)
        self._registry = registry
        self._arrivals = arrivals
        self._diary = diary

    def begin_advances(self, journey: JourneyDefinition, *args: Any, **kwargs: Any) -> list[Begun]:
        """What ``Boarding`` does, with who was kept out, entered or woke in the diary."""
        begun = self._boarding.begin_advances(journey, *args, **kwargs)
        for entry in begun:
            if entry.verdict in ("skipped", "held_out"):
                _, person, reason = self._memory.skips[-1]
                self._diary.note(person, journey.meta.id, "kept out", reason)
                if entry.verdict == "held_out":
                    self._announce_held_out(person, journey)
            elif entry.enrollment is not None:
                self._diary.begin(self._memory.passengers[entry.enrollment.id])
        return begun

    def settle_advances(
        self, journey_id: str, settlements: list[Settlement], **more: Any
    ) -> list[Settled]:
        """What ``Memory`` does, with a record and a line in the diary of each."""
        settled = self._memory.settle_advances(journey_id, settlements, **more)
        definition = self._registry.find(journey_id)
        assert definition is not None
        for settlement in settlements:
            passenger = self._memory.passengers[settlement.enrollment.id]
            self.settled.append(
                AdvanceRecord(
                    definition=definition, settlement=settlement, steps=tuple(passenger.steps)
                )
            )
            self._diary.end(passenger, settlement)
            if settlement.announcement is not None:
                self._announce(passenger.person, settlement.announcement)
        return settled

    def _announce_held_out(self, person: Person, journey: JourneyDefinition) -> None:
        meta = journey.meta
        self._announce(
            person,
            {
                "name": "journey.heldout",
                "key": f"journey:heldout:{meta.id}:{person.user_id}",
                "properties": {
                    "journeyId": meta.id,
                    "journeyName": meta.name,
                    "holdoutPercent": meta.holdout.percent if meta.holdout else 0,
                },
            },
        )

    def _announce(self, person: Person, event: JsonObject) -> None:
        """What ``JourneyAnnouncer`` does a moment later."""
        properties = event["properties"]
        assert isinstance(properties, dict)
        self._arrivals.ingest(
            NewEvent(
                name=str(event["name"]),
                contact_id=person.contact_id,
                properties=properties,
                source="journey",
                idempotency_key=str(event["key"]),
            )
        )
