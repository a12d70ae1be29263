"""``/v1/admin/conversions``: what converted, for operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from hogsend.conversions import store
from hogsend.conversions.models import ConversionCount, Direction, Sort
from hogsend.db import Executor
from hogsend.kernel.clock import Clock
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.fields import Query, Sent, Text
from hogsend.web.http import Request, Response
from hogsend.web.route import Guard, Route

LIST_PATH = "/v1/admin/conversions"
STATS_PATH = "/v1/admin/conversions/stats"
_TAG = "Conversions"
_LATELY = timedelta(days=30)

_Id = Annotated[Text, Field(min_length=1, max_length=100)]


class ConversionsQuery(Query):
    """A page. No conversion here has a scope or is dispatched: filters by those find nothing."""

    definition_id: _Id | None = Field(default=None, alias="definitionId")
    journey_id: _Id | None = Field(default=None, alias="journeyId")
    campaign_id: _Id | None = Field(default=None, alias="campaignId")
    dispatch_status: Literal["pending", "delivered", "failed"] | None = Field(
        default=None, alias="dispatchStatus"
    )
    sort: Sort = "occurredAt"
    dir: Direction = "desc"
    limit: int = Field(default=50, ge=1, le=200)
    offset: int = Field(default=0, ge=0, le=10_000_000)

    @property
    def finds_nothing(self) -> bool:
        """Asks for what no conversion has."""
        return any(
            asked is not None for asked in (self.journey_id, self.campaign_id, self.dispatch_status)
        )


class ConversionRow(Sent):
    """One conversion."""

    id: UUID
    definitionId: str
    contactId: UUID
    contactEmail: str | None
    value: float | None
    currency: str | None
    scopeJourneyId: None
    scopeCampaignId: None
    occurredAt: datetime
    dispatches: list[None] = Field(description="Always empty.")


class ConversionsAnswer(Sent):
    """A page."""

    conversions: list[ConversionRow]
    limit: int
    offset: int


class DefinitionCount(Sent):
    """How often one definition converted."""

    definitionId: str
    count30d: int
    countLifetime: int
    lastFiredAt: datetime | None


class StatsAnswer(Sent):
    """Definitions in force first, then those that are gone."""

    definitions: list[DefinitionCount]
    destinations: list[None] = Field(description="Always empty.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionsAdmin:
    """Read only. ``ids`` are the definitions in force."""

    db: Executor
    clock: Clock
    ids: Sequence[str]

    def list(self, req: Request, resp: Response) -> None:
        """One page."""
        query = req.query_model(ConversionsQuery)
        found = (
            []
            if query.finds_nothing
            else store.list_conversions(
                self.db,
                definition_id=query.definition_id,
                sort=query.sort,
                direction=query.dir,
                limit=query.limit,
                offset=query.offset,
            )
        )
        resp.json(
            {
                "conversions": [conversion.as_wire() for conversion in found],
                "limit": query.limit,
                "offset": query.offset,
            }
        )

    def stats(self, req: Request, resp: Response) -> None:
        """Counts by definition; one that never converted counts nothing."""
        counts = store.count_conversions(self.db, since=self.clock.now() - _LATELY)
        by_id = {count.definition_id: count for count in counts}
        ordered = dict.fromkeys([*self.ids, *by_id])
        resp.json(
            {
                "definitions": [
                    by_id.get(name, ConversionCount(definition_id=name)).as_wire()
                    for name in ordered
                ],
                "destinations": [],
            }
        )


def routes(api: ConversionsAdmin, guard: Guard) -> list[Route]:
    """Operators only."""
    return [
        Route(method="GET", path=LIST_PATH, handler=api.list, guard=guard, doc=_LIST),
        Route(method="GET", path=STATS_PATH, handler=api.stats, guard=guard, doc=_STATS),
    ]


_LIST = RouteDoc(
    summary="Conversions, newest first",
    tag=_TAG,
    query=ConversionsQuery,
    answers={200: Answer(description="A page", model=ConversionsAnswer)},
)
_STATS = RouteDoc(
    summary="How often each conversion happened",
    tag=_TAG,
    answers={200: Answer(description="The last 30 days, and ever", model=StatsAnswer)},
)
