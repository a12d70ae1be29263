"""Writes down what happens, for people."""

from __future__ import annotations

from hogsend.email.models import SendRequest, SendResult
from hogsend.journeys.models import Settlement
from hogsend.kernel.clock import Clock
from hogsend.testing.people import Passenger, Person, TimelineEntry


class Diary:
    """The timeline of a world."""

    def __init__(self, clock: Clock) -> None:
        self.entries: list[TimelineEntry] = []
        self._clock = clock

    def note(self, person: Person, journey_id: str | None, what: str, detail: str = "") -> None:
        """A line of the timeline."""
        self.entries.append(
            TimelineEntry(
                at=self._clock.now(),
                user_id=person.user_id,
                journey_id=journey_id,
                what=what,
                detail=detail,
            )
        )

    def begin(self, passenger: Passenger) -> None:
        """An advance begins."""
        wait = passenger.wait
        if passenger.retrying_since is not None:
            self.note(passenger.person, passenger.journey_id, "retried", passenger.error or "")
        elif wait is None:
            self.note(passenger.person, passenger.journey_id, "entered")
        else:
            why = f"{wait.event.name} came" if wait.event is not None else "time was up"
            self.note(passenger.person, passenger.journey_id, "woke", f"{wait.new.label}: {why}")

    def end(self, passenger: Passenger, settlement: Settlement) -> None:
        """An advance was settled."""
        self.note(passenger.person, passenger.journey_id, settlement.status, _ending(settlement))

    def mail(
        self, person: Person, journey_id: str | None, request: SendRequest, result: SendResult
    ) -> None:
        """A mail went out or was stopped."""
        reason = f" ({result.reason})" if result.reason else ""
        detail = f"{request.template} to {request.to}{reason}"
        self.note(person, journey_id, f"mail {result.status}", detail)


def _ending(settlement: Settlement) -> str:
    wait = settlement.wait
    if wait is not None:
        what = f"for {wait.event}" if wait.event else wait.kind
        return f"{wait.label}: {what} until {wait.due_at:%Y-%m-%d %H:%M:%S}Z"
    return settlement.error or settlement.reason or ""
