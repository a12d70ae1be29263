"""``ctx``: everything a journey function can ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NoReturn

from hogsend.conditions.model import Condition
from hogsend.email.models import SendResult
from hogsend.journeys.effects import send_email as emails
from hogsend.journeys.effects import trigger as triggers
from hogsend.journeys.effects.connector import ConnectorHandle
from hogsend.journeys.runtime import decisions, waits
from hogsend.journeys.runtime.calls import asked
from hogsend.journeys.runtime.decisions import Throttle
from hogsend.journeys.runtime.digest import DEFAULT_LOOKBACK, Digest, digest
from hogsend.journeys.runtime.groups import resolve_group
from hogsend.journeys.runtime.history import History
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.schedule import When
from hogsend.journeys.runtime.signals import JourneyExit
from hogsend.journeys.runtime.waits import Answer, Nap
from hogsend.journeys.runtime.zone import when_of
from hogsend.kernel.wire_json import JsonValue
from hogsend.kernel.words import suggest


class JourneyContext:
    """Reads and effects of one person's passage, recorded so that a replay sees the same.

    The function runs again from its first line after every wait. What has happened is answered
    from the record: nothing is sent, asked or waited for twice. Everything outside this object
    (the clock, random numbers, other systems) is not recorded and must not decide anything.
    """

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    @asked("ctx.sleep")
    async def sleep(self, duration: timedelta, *, label: str | None = None) -> Nap:
        """Pause for a while; costs nothing, survives everything, at most one year."""
        return await waits.sleep(self._passage, duration, label)

    @asked("ctx.wait_for")
    async def wait_for(
        self,
        event: str,
        *,
        timeout: timedelta,
        where: Condition | Sequence[Condition] | None = None,
        lookback: timedelta | None = None,
        group: str | tuple[str, str] | None = None,
        label: str | None = None,
    ) -> Answer:
        """Pause until the person does something, at most ``timeout``; false when they do not.

        ``group`` (a type, or a type and a key) takes the event from anybody in that group.
        ``lookback`` also takes an event from that long ago. Events that arrive while the journey
        is on its way to this line count.
        """
        return await waits.wait_for(
            self._passage,
            event,
            timeout=timeout,
            label=label,
            where=where,
            lookback=lookback,
            group=await resolve_group(self._passage, group),
        )

    @asked("ctx.send_email")
    async def send_email(
        self,
        template: str,
        *,
        props: Mapping[str, JsonValue] | None = None,
        subject: str | None = None,
        to: str | None = None,
        label: str | None = None,
    ) -> SendResult:
        """Send a mail, at most once per place; ``status`` says what became of it.

        In a loop without waits each mail needs a ``label`` of its own.
        """
        return await emails.send_email(
            self._passage, template, to=to, subject=subject, props=props, label=label
        )

    @asked("ctx.sleep_until")
    async def sleep_until(self, target: datetime | str, *, label: str | None = None) -> Nap:
        """Pause until an instant (aware, or ISO-8601 text); see ``when``."""
        return await waits.sleep_until(self._passage, target, label)

    @property
    def when(self) -> When:
        """Wall-clock times of the person: ``ctx.when.next("tue").at("09:30")``."""
        self._passage.enter("ctx.when")
        return when_of(self._passage)

    @property
    def history(self) -> History:
        """What the person did before."""
        return History(self._passage)

    @asked("ctx.digest")
    async def digest(
        self,
        *,
        window: timedelta,
        event: str | None = None,
        where: Condition | Sequence[Condition] | None = None,
        max_events: int = 100,
        lookback: timedelta = DEFAULT_LOOKBACK,
        label: str | None = None,
    ) -> Digest:
        """Collect events for ``window``, then go on with all of them; by default the trigger."""
        return await digest(
            self._passage,
            window=window,
            event=event,
            where=where,
            max_events=max_events,
            lookback=lookback,
            label=label,
        )

    @asked("ctx.throttle")
    async def throttle(
        self,
        *,
        limit: int,
        window: timedelta,
        category: str | None = None,
        label: str | None = None,
    ) -> Throttle:
        """Whether fewer than ``limit`` mails went to the person within ``window``."""
        return await decisions.throttle(
            self._passage, limit=limit, window=window, category=category, label=label
        )

    @asked("ctx.variant")
    async def variant(self, key: str, arms: Sequence[str]) -> str:
        """The person's arm of a test: the same for ever, all arms equally likely."""
        return await decisions.variant(self._passage, key, arms)

    @asked("ctx.once")
    async def once(
        self, key: str, compute: Callable[[], Awaitable[JsonValue] | JsonValue]
    ) -> JsonValue:
        """Compute a JSON value the first time and answer it ever after: for clocks, random
        numbers and other systems. A crash before it is recorded computes it again."""
        return await decisions.once(self._passage, key, compute)

    @asked("ctx.checkpoint")
    async def checkpoint(self, label: str) -> None:
        """Name the place the person has reached, for readouts and for the keys of effects."""
        await decisions.checkpoint(self._passage, label)

    @asked("ctx.is_subscribed")
    async def is_subscribed(self, category: str | None = None) -> bool:
        """Whether the person takes mail, of a category or at all."""
        return await decisions.is_subscribed(self._passage, category)

    @asked("ctx.trigger")
    async def trigger(
        self,
        event: str,
        *,
        properties: Mapping[str, JsonValue] | None = None,
        user_id: str | None = None,
        email: str | None = None,
        value: Decimal | float | None = None,
        currency: str | None = None,
        label: str | None = None,
    ) -> None:
        """Make an event, at most once per place, about the person or another one."""
        await triggers.trigger(
            self._passage,
            event,
            properties=properties,
            user_id=user_id,
            email=email,
            value=value,
            currency=currency,
            label=label,
        )

    if not TYPE_CHECKING:  # a type checker knows the names

        def __getattr__(self, name: str) -> NoReturn:
            known = [word for word in dir(JourneyContext) if not word.startswith("_")]
            raise AttributeError(f"ctx has no {name!r}{suggest(name, known)}")

    def connector(self, name: str) -> ConnectorHandle:
        """A chat, CRM or other system: ``await ctx.connector("slack").call("post", {...})``."""
        return ConnectorHandle(self._passage, name)

    @asked("ctx.now")
    async def now(self) -> datetime:
        """The journey's clock: when it began or last resumed, the same in every replay."""
        return self._passage.now

    @asked("ctx.exit")
    async def exit(self, reason: str | None = None) -> NoReturn:
        """Leave the journey here."""
        self._passage.exiting = JourneyExit(reason)
        raise self._passage.exiting
