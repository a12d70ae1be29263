"""``GET /v1/admin/contacts``: who is there, for operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from hogsend.contacts import store
from hogsend.contacts.schemas import ContactAnswer
from hogsend.db import Executor
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.fields import Sent
from hogsend.web.http import Request, Response
from hogsend.web.route import Guard, Route

PATH = "/v1/admin/contacts"


class ContactsQuery(BaseModel):
    """``search`` is part of any key, case-blind; ``identified``: a key that people give."""

    search: str | None = Field(default=None, min_length=1, max_length=320)
    identity: Literal["all", "identified", "anonymous"] = "all"
    limit: int = Field(default=50, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=10_000_000)


class ContactRow(ContactAnswer):
    """One living contact."""

    anonymousId: str | None


class ContactsAnswer(Sent):
    """A page."""

    contacts: list[ContactRow]
    total: int
    limit: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsAdmin:
    """Read only."""

    db: Executor

    def list(self, req: Request, resp: Response) -> None:
        """One page, last seen first."""
        query = req.query_model(ContactsQuery)
        page, total = store.list_contacts(
            self.db,
            search=None if query.search is None else query.search.replace("\0", ""),
            identity=query.identity,
            limit=query.limit,
            offset=query.offset,
        )
        resp.json(
            {
                "contacts": [
                    contact.as_wire() | {"anonymousId": anonymous_id}
                    for contact, anonymous_id in page
                ],
                "total": total,
                "limit": query.limit,
                "offset": query.offset,
            }
        )


def routes(api: ContactsAdmin, guard: Guard) -> list[Route]:
    """Operators only."""
    return [Route(method="GET", path=PATH, handler=api.list, guard=guard, doc=_LIST)]


_LIST = RouteDoc(
    summary="Contacts, for operators",
    tag="Contacts",
    query=ContactsQuery,
    answers={200: Answer(description="Last seen first", model=ContactsAnswer)},
)
