"""``GET /v1/admin/suppressions``: who gets no mail, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from hogsend.access.guards import Guards
from hogsend.db import Executor
from hogsend.kernel.wire_json import iso_z
from hogsend.preferences.suppression import Reason, SuppressedPerson, list_suppressions
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

PATH = "/v1/admin/suppressions"


class SuppressionsQuery(BaseModel):
    """Filters and page."""

    type: Literal["bounced", "unsubscribed", "complained"] | None = None
    limit: int = Field(default=50, ge=1, le=200)
    offset: int = Field(default=0, ge=0)


class SuppressionRow(BaseModel):
    """One address; ``id`` and ``userId`` are null without a preference row."""

    id: UUID | None
    userId: str | None
    email: str
    unsubscribedAll: bool
    suppressed: bool
    bounceCount: int
    categories: dict[str, bool]
    suppressedAt: datetime | None
    lastBounceAt: datetime | None
    reason: Reason | None
    updatedAt: datetime


class SuppressionsAnswer(BaseModel):
    """A page."""

    suppressions: list[SuppressionRow]
    total: int
    limit: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionsApi:
    """Read only: changing a person's preferences has its own route."""

    db: Executor

    def get(self, req: Request, resp: Response) -> None:
        """One page, last changed first."""
        query = req.query_model(SuppressionsQuery)
        people, total = list_suppressions(
            self.db, type=query.type, limit=query.limit, offset=query.offset
        )
        resp.json(
            {
                "suppressions": [_to_wire(person) for person in people],
                "total": total,
                "limit": query.limit,
                "offset": query.offset,
            }
        )


def routes(api: SuppressionsApi, guards: Guards) -> list[Route]:
    """Operators only."""
    return [Route(method="GET", path=PATH, handler=api.get, guard=guards.admin(), doc=_GET)]


_GET = RouteDoc(
    summary="Who gets no mail, and why",
    tag="Suppressions",
    query=SuppressionsQuery,
    answers={200: Answer(description="Last changed first", model=SuppressionsAnswer)},
)


def _to_wire(person: SuppressedPerson) -> dict[str, Any]:
    return {
        "id": person.id,
        "userId": person.user_id,
        "email": person.email,
        "unsubscribedAll": person.unsubscribed_all,
        "suppressed": person.suppressed,
        "bounceCount": person.bounce_count,
        "categories": dict(person.categories),
        "suppressedAt": iso_z(person.suppressed_at) if person.suppressed_at else None,
        "lastBounceAt": iso_z(person.last_bounce_at) if person.last_bounce_at else None,
        "reason": person.reason,
        "updatedAt": iso_z(person.updated_at),
    }
