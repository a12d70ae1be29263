"""What the pages behind the links of a mail say about themselves in ``/openapi.json``."""

from __future__ import annotations

from pydantic import BaseModel

from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.fields import Query

_TAG = "Pages of a mail"
_HTML = "text/html; charset=utf-8"
_FORM = "application/x-www-form-urlencoded"


class TokenQuery(Query):
    """The token of the link; valid for two years."""

    token: str | None = None


class UnsubscribeForm(BaseModel):
    """What mail programs send (RFC 8058), or ``confirm`` from the page."""

    confirm: str | None = None


class PreferencesForm(BaseModel):
    """``do``: save, all_off or all_on; ``shown`` and ``subscribed`` are ids of lists."""

    do: str = ""
    shown: list[str] = []
    subscribed: list[str] = []


_PAGE = Answer(description="A page", media_type=_HTML)
_BAD_LINK = Answer(description="The token is not genuine or too old", media_type=_HTML)
_ELSEWHERE = Answer(description="To the page of preferences", media_type=None)

GET_UNSUBSCRIBE = RouteDoc(
    summary="Ask before leaving",
    tag=_TAG,
    uses_database=False,
    security="link",
    query=TokenQuery,
    answers={200: _PAGE, 303: _ELSEWHERE, 400: _BAD_LINK},
)
POST_UNSUBSCRIBE = RouteDoc(
    summary="Leave, with the button or with one click of a mail program",
    tag=_TAG,
    security="link",
    query=TokenQuery,
    body=UnsubscribeForm,
    body_media_type=_FORM,
    is_body_required=False,
    answers={
        200: Answer(
            description="Done",
            media_type=_HTML,
            other_media_types=("text/plain; charset=utf-8",),
        ),
        303: _ELSEWHERE,
        400: _BAD_LINK,
    },
)
GET_PREFERENCES_PAGE = RouteDoc(
    summary="Choose what to get",
    tag=_TAG,
    security="link",
    query=TokenQuery,
    answers={200: _PAGE, 400: _BAD_LINK},
)
POST_PREFERENCES_PAGE = RouteDoc(
    summary="Store the choice",
    tag=_TAG,
    security="link",
    query=TokenQuery,
    body=PreferencesForm,
    body_media_type=_FORM,
    is_body_required=False,
    answers={
        303: Answer(description="Back to the page", media_type=None),
        400: _BAD_LINK,
    },
)
GET_CONFIRM = RouteDoc(
    summary="Ask before joining a list with double opt-in",
    tag=_TAG,
    security="link",
    query=TokenQuery,
    answers={200: _PAGE, 400: _BAD_LINK},
)
POST_CONFIRM = RouteDoc(
    summary="Join the list and keep the proof",
    tag=_TAG,
    security="link",
    query=TokenQuery,
    body=UnsubscribeForm,
    body_media_type=_FORM,
    is_body_required=False,
    answers={200: _PAGE, 400: _BAD_LINK},
)
