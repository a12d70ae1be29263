"""Groups as they travel over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema

from hogsend.web.fields import Body, Query, Sent, Text

MAX_LIMIT, DEFAULT_LIMIT = 200, 50
_MAX_OFFSET = 1_000_000_000

Name = Annotated[Text, Field(min_length=1, max_length=512)]


def _whole(value: object, otherwise: int) -> int:
    try:
        number = float(str(value))
        return int(number) if number > 0 else otherwise
    except (ValueError, OverflowError):
        return otherwise


def _limit(value: object) -> int:
    return min(_whole(value, DEFAULT_LIMIT) or DEFAULT_LIMIT, MAX_LIMIT)


def _offset(value: object) -> int:
    return min(_whole(value, 0), _MAX_OFFSET)


# Whatever is not a positive number counts as absent, so there is no type to check.
Limit = Annotated[
    int,
    BeforeValidator(_limit),
    WithJsonSchema({"description": "At most 200; 50 when absent or no positive number"}),
]
Offset = Annotated[
    int,
    BeforeValidator(_offset),
    WithJsonSchema({"description": "How many to skip; 0 when absent or no positive number"}),
]


class GroupBody(Body):
    """A group and what to lay over its properties; a null deletes a property."""

    group_type: Name = Field(alias="groupType")
    group_key: Name = Field(alias="groupKey")
    display_name: Annotated[Text, Field(max_length=512)] | None = Field(
        default=None, alias="displayName"
    )
    properties: dict[str, Any] | None = None


class MemberBody(Body):
    """Who joins; a role that is given replaces the old one."""

    contact_id: Annotated[UUID, Field(strict=False)] = Field(alias="contactId")
    role: Name | None = None


class GroupsQuery(Query):
    """A page of groups, last seen first."""

    group_type: Name | None = Field(default=None, alias="groupType")
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0


class MembersQuery(Query):
    """A page of members, newest first."""

    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0


class GroupSent(Sent):
    """A group."""

    id: UUID
    groupType: str
    groupKey: str
    displayName: str | None
    properties: dict[str, Any]
    firstSeenAt: datetime
    lastSeenAt: datetime
    createdAt: datetime
    updatedAt: datetime


class GroupAnswer(Sent):
    """One group."""

    group: GroupSent


class GroupsAnswer(Sent):
    """A page of groups."""

    groups: list[GroupSent]


class MembershipSent(Sent):
    """A contact's place in a group."""

    id: UUID
    groupId: UUID
    contactId: UUID
    role: str | None
    joinedAt: datetime


class MembershipAnswer(Sent):
    """A membership and whether it is new."""

    membership: MembershipSent
    created: bool


class MemberSent(Sent):
    """A member."""

    contactId: UUID
    email: str | None
    externalId: str | None
    role: str | None
    joinedAt: datetime


class MembersAnswer(Sent):
    """A page of members."""

    members: list[MemberSent]


class RemovedAnswer(Sent):
    """Whether there was such a member."""

    removed: bool
