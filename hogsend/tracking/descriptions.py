"""What the tracking routes say about themselves in ``/openapi.json``."""

from __future__ import annotations

from pydantic import BaseModel

from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.fields import Sent

_TAG = "Tracking"
_HTML = "text/html; charset=utf-8"


class CommentForm(BaseModel):
    """What somebody adds to an answer."""

    comment: str = ""


class IdentityAnswer(Sent):
    """Who arrived; ``emailSendId`` when it was by a mail."""

    distinctId: str
    src: str
    emailSendId: str | None = None


FOLLOW = RouteDoc(
    summary="Follow a link of a mail",
    tag=_TAG,
    description="Unknown links lead home.",
    security="link",
    answers={302: Answer(description="To where the link leads", media_type=None)},
)
OPEN = RouteDoc(
    summary="The pixel of a mail",
    tag=_TAG,
    security="link",
    uses_database=False,
    answers={200: Answer(description="One transparent pixel", media_type="image/gif")},
)
ANSWER_PAGE = RouteDoc(
    summary="Thanks for an answer given by a link",
    tag=_TAG,
    security="link",
    answers={
        200: Answer(description="A page that asks for a comment", media_type=_HTML),
        404: Answer(description="There is no such answer", media_type=_HTML),
    },
)
COMMENT = RouteDoc(
    summary="Comment on an answer",
    tag=_TAG,
    security="link",
    body=CommentForm,
    body_media_type="application/x-www-form-urlencoded",
    is_body_required=False,
    answers={200: Answer(description="Thanks, whatever was sent", media_type=_HTML)},
)
IDENTIFY_ANSWERS = {
    200: Answer(description="Who arrived", model=IdentityAnswer),
    400: Answer(description="The token is not genuine, or the body does not fit"),
}
