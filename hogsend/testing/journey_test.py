"""One person and one journey, from a test's point of view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hogsend.email.policy import SendPolicy
from hogsend.journeys.effects.connector import Connector
from hogsend.journeys.meta import JourneyMeta
from hogsend.journeys.runtime.schedule import SendWindow
from hogsend.kernel.timezones import get_zone
from hogsend.kernel.wire_json import JsonValue
from hogsend.testing.lookup import find_app
from hogsend.testing.mailbox import Mail, Mailbox
from hogsend.testing.people import Deed, Passenger, Person, TimelineEntry
from hogsend.testing.replays import find_replay_problems
from hogsend.testing.timeline import format_timeline
from hogsend.testing.world import BEGINNING, World

if TYPE_CHECKING:
    from hogsend.app import App

PATIENCE = timedelta(days=800)
"""How long ``finish`` lets a journey run unless told otherwise."""


class JourneyTest:
    """Drives a journey with a clock that moves only when told to.

    ``start`` lets the trigger happen, ``event`` anything else, ``advance`` and ``finish`` let time
    pass. Then look at ``mails``, ``status`` and the rest. With ``with_others`` the other journeys
    of the app run as well: ``mails`` holds this journey's mails only, ``mailbox`` all of them.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    def __init__(
        self,
        journey: Callable[..., Any] | str,
        *,
        app: App | None = None,
        now: datetime = BEGINNING,
        user_id: str = "user-1",
        email: str = "user-1@example.com",
        policy: SendPolicy | None = None,
        with_others: bool = False,
        connectors: Mapping[str, Connector] | None = None,
        send_window: SendWindow | None = None,
        **person: Any,
    ) -> None:
        if person.get("timezone") is not None:
            get_zone(person["timezone"])
        found, self.journey_id = find_app(journey, app)
        journeys = None if with_others else [self.journey_id]
        self.world = World(
            found,
            now=now,
            journeys=journeys,
            policy=policy,
            connectors=connectors,
            send_window=send_window,
        )
        self.person: Person = self.world.person(user_id, email=email, **person)

    @property
    def meta(self) -> JourneyMeta:
        """What the journey declares."""
        return self.world.app.journeys[self.journey_id].meta

    @property
    def now(self) -> datetime:
        """The present instant of the world, in UTC."""
        return self.world.clock.now()

    @property
    def mailbox(self) -> Mailbox:
        """Every mail of the world, and what stopped others."""
        return self.world.mailbox

    @property
    def mails(self) -> Sequence[Mail]:
        """The mails of this journey to this person, in order."""
        journey = self.meta.id
        return [
            m
            for m in self.world.mailbox
            if m.user_id == self.person.user_id and m.journey_id == journey
        ]

    @property
    def templates(self) -> list[str]:
        """The keys of the templates of ``mails``."""
        return [mail.template for mail in self.mails]

    @property
    def enrollments(self) -> Sequence[Passenger]:
        """Every time the person entered, oldest first; held out counts."""
        return [
            p
            for p in self.world.memory.passengers.values()
            if p.journey_id == self.journey_id and p.person is self.person
        ]

    @property
    def enrollment(self) -> Passenger:
        """The latest one; raises AssertionError when they never entered."""
        if not self.enrollments:
            why = ", ".join(self.refusals) or "the trigger did not happen or does not match"
            raise AssertionError(f"nobody entered {self.journey_id!r}: {why}")
        return self.enrollments[-1]

    @property
    def status(self) -> str:
        """active, waiting, completed, exited, failed or held_out."""
        return self.enrollment.status

    @property
    def refusals(self) -> list[str]:
        """Why the person did not enter, in order, such as ``already_entered_once``."""
        return [
            reason
            for journey_id, person, reason in self.world.memory.refusals
            if journey_id == self.journey_id and person is self.person
        ]

    @property
    def triggered(self) -> list[tuple[str, Mapping[str, JsonValue]]]:
        """Events that journeys caused, with their properties."""
        return [(e.name, e.properties) for e in self.world.memory.events if e.source == "journey"]

    @property
    def timeline(self) -> Sequence[TimelineEntry]:
        """Everything that happened; ``str(trip)`` is its text."""
        return self.world.timeline

    def __str__(self) -> str:
        return format_timeline(self.world.timeline, zone=self.person.timezone)

    def start(
        self, properties: Mapping[str, JsonValue] | None = None, /, **more: JsonValue
    ) -> JourneyTest:
        """The trigger event happens, with these properties."""
        return self.event(self.meta.trigger.event, properties, **more)

    def event(
        self, name: str, properties: Mapping[str, JsonValue] | None = None, /, **more: JsonValue
    ) -> JourneyTest:
        """An event happens now, with these properties."""
        self.world.tell(self.person, name, {**(properties or {}), **more})
        return self

    def advance(self, by: timedelta | None = None, **span: float) -> JourneyTest:
        """Let time pass: ``advance(timedelta(days=1))`` or ``advance(days=1, hours=2)``."""
        self.world.go_to(self.now + (by or timedelta(0)) + timedelta(**span))
        return self

    def finish(self, *, within: timedelta = PATIENCE) -> JourneyTest:
        """Let time pass until the person is no longer inside; raises AssertionError when that
        takes longer than ``within``."""
        limit = self.now + within
        while any(p.is_live for p in self.enrollments):
            due = self.world.memory.next_due()
            if due is None or due > limit:
                raise AssertionError(
                    f"{self.journey_id!r} does not end within {within.days} days:\n{self}"
                )
            self.world.go_to(max(due, self.now))
        return self

    def play(self, history: Sequence[Deed]) -> JourneyTest:
        """Everything a history says, each deed ``after`` the one before."""
        for deed in history:
            self.advance(deed.after)
            self.event(deed.event, deed.properties)
        return self

    def assert_sent(self, *templates: str) -> None:
        """Exactly these mails went out, in this order."""
        assert self.templates == list(templates), (
            f"sent {self.templates}, expected {list(templates)}\n{self}"
        )

    def assert_status(self, status: str) -> None:
        """The latest enrollment has this status."""
        assert self.status == status, f"is {self.status}, expected {status}\n{self}"

    def assert_replay_safe(self) -> None:
        """Nothing that happened so far depends on what a replay cannot repeat.

        Raises AssertionError that names file, line and kind of every problem: clock, randomness,
        blocking, cancellation, endless loop, forgotten, replay.
        """
        problems = find_replay_problems(self.world)
        assert not problems, f"{self.journey_id!r} cannot be replayed:\n" + "\n".join(
            f"  {problem}" for problem in problems
        )

    def close(self) -> None:
        """Free what the world holds; the fixture does it."""
        self.world.close()


def assert_replay_safe(
    journey: Callable[..., Any] | str,
    history: Sequence[Deed],
    *,
    app: App | None = None,
    **options: Any,
) -> JourneyTest:
    """Play a history to its end and check every advance of it; answers what happened."""
    trip = JourneyTest(journey, app=app, **options)
    try:
        trip.play(history).finish()
        trip.assert_replay_safe()
    finally:
        trip.close()
    return trip
