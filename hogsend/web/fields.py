"""Fields that bodies and queries of several slices share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, WithJsonSchema
from pydantic_core import PydanticCustomError

from hogsend.kernel.addresses import is_email


def _check_email(value: str) -> str:
    if not is_email(value.strip()):
        raise PydanticCustomError("email", "Invalid email address")
    return value


def _check_text(value: str) -> str:
    """PostgreSQL stores no NUL and UTF-8 has no surrogates; a query string can carry both."""
    if "\0" in value:
        raise PydanticCustomError("text", "Text must not contain NUL characters")
    return value


Text = Annotated[str, AfterValidator(_check_text)]
Email = Annotated[
    Text,
    AfterValidator(_check_email),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": 254}),
]
UserId = Annotated[Text, Field(min_length=1, max_length=512)]
AnonymousId = Annotated[Text, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    """Base of request bodies: JSON types are taken literally, unknown keys are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)


class Query(BaseModel):
    """Base of query strings: text is converted, unknown names are ignored."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class Sent(BaseModel):
    """Base of answers, used to describe them."""

    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(Sent):
    """Every refusal except a failed validation.

    ``message`` explains an ``error`` that is a word for programs (``ingest_suspended``).
    """

    error: str
    message: str | None = None


class _Validation(Sent):
    name: str
    message: str = Field(description="A JSON array of issues: code, path, message and extras.")


class ValidationAnswer(Sent):
    """A body, query or path that does not fit its schema."""

    success: bool
    error: _Validation


class BadRequestAnswer(RootModel[ErrorAnswer | ValidationAnswer]):
    """A request that can never work."""
