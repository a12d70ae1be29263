"""Lists and preferences as they travel over HTTP."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hogsend.web.fields import AnonymousId, Body, Email, Query, Sent, Text, UserId


class IdentityQuery(Query):
    """Who is asked about; ``userToken`` proves ``userId`` for a publishable key."""

    user_id: UserId | None = Field(default=None, alias="userId")
    email: Email | None = None
    anonymous_id: AnonymousId | None = Field(default=None, alias="anonymousId")
    user_token: Text | None = Field(default=None, alias="userToken")


class SubscriptionBody(Body):
    """Who joins or leaves a list."""

    email: Email | None = None
    user_id: UserId | None = Field(default=None, alias="userId")
    user_token: Text | None = Field(default=None, alias="userToken")


class PreferencesBody(SubscriptionBody):
    """``unsubscribedAll`` true stops every mail that asks for consent."""

    unsubscribed_all: bool = Field(alias="unsubscribedAll")


class ListItem(Sent):
    """``subscribed`` is personal when the caller may ask and named somebody."""

    id: str
    name: str
    description: str | None = None
    defaultOptIn: bool
    kind: Literal["topic", "channel"]
    subscribed: bool


class ListsAnswer(Sent):
    """The enabled lists."""

    lists: list[ListItem]


class PreferencesAnswer(Sent):
    """Explicit answers by list id, false winning where several were given."""

    categories: dict[str, bool]
    unsubscribedAll: bool


class UnsubscribedAllAnswer(Sent):
    """What was written."""

    unsubscribedAll: bool


class SubscriptionAnswer(Sent):
    """What holds from now on."""

    list: str
    subscribed: bool
