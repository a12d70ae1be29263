"""Contacts as they travel over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from hogsend.kernel.timezones import find_zone
from hogsend.web.fields import AnonymousId, Body, Email, Query, Sent, Text, UserId


def _check_timezone(value: str) -> str:
    if find_zone(value) is None:
        raise PydanticCustomError("timezone", "Unknown IANA time zone")
    return value


Timezone = Annotated[Text, Field(min_length=1, max_length=64), AfterValidator(_check_timezone)]


class ContactBody(Body):
    """A person and what to lay over their properties; a null deletes a property."""

    email: Email | None = None
    user_id: UserId | None = Field(default=None, alias="userId")
    anonymous_id: AnonymousId | None = Field(default=None, alias="anonymousId")
    properties: dict[str, Any] | None = None
    lists: dict[str, bool] | None = None
    timezone: Timezone | None = None
    user_token: str | None = Field(default=None, alias="userToken")


class DeleteBody(Body):
    """Whom to delete; two keys of two people delete both."""

    email: Email | None = None
    user_id: UserId | None = Field(default=None, alias="userId")


class DeleteQuery(Query):
    """``erase=true`` deletes the history too, for good."""

    erase: bool = False


class FindQuery(Query):
    """Whom to look for; either key may name somebody."""

    email: Text | None = None
    user_id: Text | None = Field(default=None, alias="userId")


class MeQuery(Query):
    """Who is asking; ``userToken`` proves a user id."""

    user_token: str | None = Field(default=None, alias="userToken")
    anonymous_id: Text | None = Field(default=None, alias="anonymousId")
    user_id: Text | None = Field(default=None, alias="userId")
    email: Text | None = None


class UpsertAnswer(Sent):
    """Who it is; ``linked`` is true for everybody who was there before."""

    id: UUID
    created: bool
    linked: bool


class ContactAnswer(Sent):
    """A person."""

    id: UUID
    externalId: str | None
    email: str | None
    properties: dict[str, Any]
    firstSeenAt: datetime
    lastSeenAt: datetime
    createdAt: datetime
    updatedAt: datetime


class FindAnswer(Sent):
    """Everybody the keys name."""

    contacts: list[ContactAnswer]


class MeAnswer(Sent):
    """What a browser may know about its own person."""

    identified: bool
    traits: dict[str, Any]
    email: str | None = None


class CertificateAnswer(Sent):
    """Proof of an erasure; ``token`` signs the rest."""

    contactId: UUID
    erasedAt: datetime
    removed: dict[str, int]
    refusalsKept: int
    token: str


class DeleteAnswer(Sent):
    """``certificates`` only after an erasure."""

    deleted: bool
    certificates: list[CertificateAnswer] | None = None


class ExportAnswer(Sent):
    """Whole rows by table."""

    contactId: UUID
    exportedAt: datetime
    data: dict[str, list[Any]]
