"""What the routes of the sending domain say about themselves in ``/openapi.json``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from hogsend.web.describe import Answer, RouteDoc

_TAG = "Sending domain"


class DomainAnswer(BaseModel):
    """The domain as the mail provider sees it, and whether mail goes to the test inbox."""

    model_config = ConfigDict(extra="forbid")

    domain: str | None
    providerId: str
    supported: bool
    returnPathSupported: bool
    status: dict[str, Any] | None
    testMode: dict[str, Any]
    guidance: dict[str, Any]


_FOUND = Answer(description="What the provider says", model=DomainAnswer)
_REFUSED = {
    409: "The provider has the domain under another account",
    502: "The provider refused or does not answer",
}

GET_DOMAIN = RouteDoc(
    summary="The sending domain",
    tag=_TAG,
    uses_database=False,
    answers={200: _FOUND},
    errors=_REFUSED,
)


def post_domain(body: type[BaseModel]) -> RouteDoc:
    """Of the route that registers a domain."""
    return RouteDoc(
        summary="Register a sending domain",
        tag=_TAG,
        uses_database=False,
        body=body,
        body_example={"domain": "mail.example.com"},
        answers={200: _FOUND},
        errors={**_REFUSED, 501: "The provider has no domain API, or no key for it is set"},
    )


POST_VERIFY = RouteDoc(
    summary="Look at the records again",
    tag=_TAG,
    uses_database=False,
    answers={200: _FOUND},
    errors={
        **_REFUSED,
        400: "No domain is configured",
        501: "The provider has no domain API, or no key for it is set",
    },
)
