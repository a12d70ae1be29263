"""``ctx.history``: what the person did before, recorded at the first reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from hogsend.journeys import reads
from hogsend.journeys.meta import LONGEST_SPAN
from hogsend.journeys.reads import EventRow, Subject
from hogsend.journeys.runtime.calls import asked
from hogsend.journeys.runtime.groups import resolve_group
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError
from hogsend.journeys.runtime.waits import check_span
from hogsend.kernel.wire_json import JsonObject, JsonValue

_MOST_EVENTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """True when there was at least one."""

    found: bool
    count: int

    def __bool__(self) -> bool:
        return self.found


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent:
    """Something the person did."""

    event: str
    properties: Mapping[str, JsonValue]
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PastJourney:
    """Passages through a journey; ``entry_count`` counts the present one and being held out."""

    completed: bool
    last_completed_at: datetime | None
    entry_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEmail:
    """Mails of one template that went out."""

    sent: bool
    last_sent_at: datetime | None
    count: int

    def __bool__(self) -> bool:
        return self.sent


class History:
    """Each question is answered once per place and enrollment; replays see the same answer.

    It is about the enrolled person, or about the one with ``user_id``.
    """

    def __init__(self, passage: Passage, user_id: str | None = None) -> None:
        self._passage = passage
        self._user_id = user_id

    def of(self, user_id: str) -> History:
        """What somebody else did: ``await ctx.history.of("user-2").has_event("paid")``."""
        if not isinstance(user_id, str) or not user_id:
            raise JourneyError("ctx.history.of needs the id of a user")
        return History(self._passage, user_id)

    @asked("ctx.history.has_event")
    async def has_event(
        self,
        event: str,
        *,
        within: timedelta | None = None,
        group: str | tuple[str, str] | None = None,
    ) -> Found:
        """Whether they did it, ever or in the last ``within``; see ``count``."""
        count = await self.count(event, within=within, group=group)
        return Found(found=count > 0, count=count)

    @asked("ctx.history.count")
    async def count(
        self,
        event: str,
        *,
        within: timedelta | None = None,
        group: str | tuple[str, str] | None = None,
    ) -> int:
        """How often they did it. ``group`` (a type, or a type and a key) counts what anybody in
        that group did, and needs ``within``."""
        if group is not None:
            return await self._count_group(event, within, group)
        value = await self._ask(
            f"count:{event}{_span(within)}", reads.count_events, event, within=within
        )
        return cast(int, value)

    async def _count_group(
        self, event: str, within: timedelta | None, group: str | tuple[str, str]
    ) -> int:
        if within is None or self._user_id is not None:
            raise JourneyError(
                "what a group did is asked of the enrolled person's group, and within a time",
                hint="write ctx.history.count(event, group='company', within=timedelta(days=30))",
            )
        span = _span(within)
        resolved = await resolve_group(self._passage, group)
        services = self._passage.services

        async def read() -> JsonValue:
            assert resolved is not None
            return await services.offload.query(
                reads.count_group_events, services.db, resolved, event, within=within
            )

        label = f"count:{event}{span}:{':'.join(resolved or ())}"
        return cast(int, await self._passage.record("history", label, read))

    @asked("ctx.history.events")
    async def events(
        self, event: str | None = None, *, within: timedelta | None = None, limit: int = 50
    ) -> Sequence[PastEvent]:
        """What they did, newest first, at most 500."""
        if not isinstance(limit, int) or not 1 <= limit <= _MOST_EVENTS:
            raise JourneyError(f"the limit of ctx.history.events is 1 to {_MOST_EVENTS}")
        value = await self._ask(
            f"events:{event or '*'}{_span(within)}:{limit}",
            reads.list_events,
            event=event,
            within=within,
            limit=limit,
        )
        return [to_past_event(entry) for entry in cast(list[JsonObject], value)]

    @asked("ctx.history.last")
    async def last(self, event: str, *, within: timedelta | None = None) -> PastEvent | None:
        """The newest one, None without."""
        value = await self._ask(
            f"last:{event}{_span(within)}", reads.list_events, event=event, within=within, limit=1
        )
        found = cast(list[JsonObject], value)
        return to_past_event(found[0]) if found else None

    @asked("ctx.history.properties")
    async def properties(self, event: str) -> Mapping[str, JsonValue]:
        """The properties of the newest one, empty without."""
        found = await self.last(event)
        return found.properties if found else {}

    @asked("ctx.history.journey")
    async def journey(self, journey_id: str | None = None) -> PastJourney:
        """Their passages through a journey, by default this one."""
        wanted = journey_id or self._passage.definition.meta.id
        value = await self._ask(f"journey:{wanted}", reads.read_journey, wanted)
        entries, completed_at = cast(tuple[int, str | None], value)
        at = _instant(completed_at)
        return PastJourney(completed=at is not None, last_completed_at=at, entry_count=entries)

    @asked("ctx.history.email")
    async def email(self, template: str, *, to: str | None = None) -> PastEmail:
        """Mails of a template to them, or to another address."""
        if to is None and self._user_id is not None:
            raise JourneyError(
                "ctx.history.of(...).email needs an address", hint="write email(template, to=...)"
            )
        address = (to or self._passage.enrollment.user_email).strip().lower()
        services = self._passage.services

        async def read() -> JsonValue:
            count, sent_at = await services.offload.query(
                reads.read_email, services.db, address, template
            )
            return [count, None if sent_at is None else sent_at.isoformat()]

        value = await self._passage.record("history", f"email:{template}:{address}", read)
        count, sent_at = cast(tuple[int, str | None], value)
        return PastEmail(sent=count > 0, last_sent_at=_instant(sent_at), count=count)

    async def _ask(self, label: str, question: Any, *args: Any, **kwargs: Any) -> JsonValue:
        services, user_id = self._passage.services, self._user_id
        if user_id is not None:
            label = f"of:{user_id}:{label}"

        async def read() -> JsonValue:
            subject = subject_of(self._passage)
            if user_id is not None:
                subject = await services.offload.query(reads.find_subject, services.db, user_id)
            answer = await services.offload.query(question, services.db, subject, *args, **kwargs)
            return _to_json(answer)

        return await self._passage.record("history", label, read)


def subject_of(passage: Passage) -> Subject:
    """The enrolled person."""
    return Subject(contact_id=passage.enrollment.contact_id, user_id=passage.enrollment.user_id)


def event_json(row: EventRow) -> JsonObject:
    """An event as it is recorded."""
    return {
        "event": row.event,
        "properties": row.properties,
        "occurredAt": row.occurred_at.isoformat(),
    }


def to_past_event(value: JsonObject) -> PastEvent:
    """A recorded event."""
    properties = value["properties"]
    return PastEvent(
        event=str(value["event"]),
        properties=properties if isinstance(properties, dict) else {},
        occurred_at=datetime.fromisoformat(str(value["occurredAt"])),
    )


def _to_json(answer: object) -> JsonValue:
    if isinstance(answer, list):
        return [event_json(row) for row in answer]
    if isinstance(answer, tuple):
        entries, at = answer
        return [entries, None if at is None else at.isoformat()]
    return cast(JsonValue, answer)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _span(within: timedelta | None) -> str:
    if within is None:
        return ""
    return f":{check_span('within', within, longest=LONGEST_SPAN):g}s"
