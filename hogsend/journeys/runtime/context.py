"""``ctx``: everything a journey function can ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from hogsend.conditions.model import Condition
from hogsend.email.models import SendResult
from hogsend.journeys.effects import send_email as emails
from hogsend.journeys.runtime import waits
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyExit
from hogsend.journeys.runtime.waits import Answer, Nap
from hogsend.kernel.wire_json import JsonValue


class JourneyContext:
    """Reads and effects of one person's passage, recorded so that a replay sees the same.

    The function runs again from its first line after every wait. What has happened is answered
    from the record: nothing is sent, asked or waited for twice. Everything outside this object
    (the clock, random numbers, other systems) is not recorded and must not decide anything.
    """

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    async def sleep(self, duration: timedelta, *, label: str | None = None) -> Nap:
        """Pause for a while; costs nothing, survives everything, at most one year."""
        self._passage.enter("ctx.sleep")
        return await waits.sleep(self._passage, duration, label)

    async def wait_for(
        self,
        event: str,
        *,
        timeout: timedelta,
        where: Condition | Sequence[Condition] | None = None,
        lookback: timedelta | None = None,
        label: str | None = None,
    ) -> Answer:
        """Pause until the person does something, at most ``timeout``; false when they do not.

        ``lookback`` also takes an event from that long ago. Events that arrive while the journey
        is on its way to this line count.
        """
        self._passage.enter("ctx.wait_for")
        return await waits.wait_for(
            self._passage,
            event,
            timeout=timeout,
            label=label,
            where=where,
            lookback=lookback,
            group=None,
        )

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
        self._passage.enter("ctx.send_email")
        return await emails.send_email(
            self._passage, template, to=to, subject=subject, props=props, label=label
        )

    async def now(self) -> datetime:
        """The journey's clock: when it began or last resumed, the same in every replay."""
        self._passage.enter("ctx.now")
        return self._passage.now

    async def exit(self, reason: str | None = None) -> NoReturn:
        """Leave the journey here."""
        self._passage.enter("ctx.exit")
        self._passage.exiting = JourneyExit(reason)
        raise self._passage.exiting
