"""Sends as they travel over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hogsend.web.fields import Body, Email, Sent, Text, UserId

MAX_KEY_LENGTH = 512


class EmailBody(Body):
    """One mail to one person: ``to``, or the address of ``userId``."""

    to: Email | None = None
    user_id: UserId | None = Field(default=None, alias="userId")
    template: Annotated[Text, Field(min_length=1, max_length=200)]
    props: dict[str, Any] = Field(default_factory=dict)
    sender: Annotated[Text, Field(min_length=1, max_length=320)] | None = Field(
        default=None, alias="from"
    )
    subject: Annotated[Text, Field(max_length=998)] | None = None
    reply_to: Text | Annotated[list[Text], Field(max_length=10)] | None = Field(
        default=None, alias="replyTo"
    )
    category: Annotated[Text, Field(min_length=1, max_length=64)] | None = None
    skip_preference_check: bool = Field(default=False, alias="skipPreferenceCheck")
    idempotency_key: Annotated[Text, Field(min_length=1, max_length=MAX_KEY_LENGTH)] | None = Field(
        default=None, alias="idempotencyKey"
    )


class EmailAnswer(Sent):
    """``emailSendId`` is empty when the mail was stopped before it got a row."""

    emailSendId: str
    status: Literal["queued", "sent", "suppressed", "unsubscribed", "skipped"]
    reason: str | None = None
