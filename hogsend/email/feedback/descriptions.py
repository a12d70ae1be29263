"""What the webhooks of mail vendors say about themselves in ``/openapi.json``."""

from __future__ import annotations

from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.fields import Sent


class ReceivedAnswer(Sent):
    """Taken, also when it said nothing new."""

    ok: bool


_REFUSALS = {
    400: "The payload makes no sense",
    401: "The signature is missing, wrong or too old",
    413: "The body is too large",
}
RECEIVE = RouteDoc(
    summary="Reports of a mail vendor",
    tag="Webhooks",
    security="signature",
    answers={200: Answer(description="Taken", model=ReceivedAnswer)},
    errors={**_REFUSALS, 404: "There is no such vendor"},
)
RECEIVE_RESEND = RouteDoc(
    summary="Reports of Resend, on their older path",
    tag="Webhooks",
    security="signature",
    answers={200: Answer(description="Taken", model=ReceivedAnswer)},
    errors=_REFUSALS,
)
