"""``POST /v1/emails``: one mail to one person, promised before it is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from hogsend.access.guards import Guards
from hogsend.access.limits import EMAILS
from hogsend.access.models import Principal
from hogsend.access.scopes import grants
from hogsend.db import Executor, QueryFile
from hogsend.email.mailer import Mailer
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.schemas import MAX_KEY_LENGTH, EmailAnswer, EmailBody
from hogsend.email.templates.errors import TemplateError, UnknownTemplate
from hogsend.errors import InvalidInput, NotAllowed, NotFound
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.wire_json import JsonObject
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

EMAILS_PATH = "/v1/emails"

_Q = QueryFile(__package__, "email.sql")
# People wait for these; campaigns do not.
_PRIORITY = 3


class Poke(Protocol):
    """Wakes the relays after a commit; ``Nudge``."""

    def poke(self) -> None:
        """Returns at once, never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a request means. ``user_id`` is the key preferences and tokens use."""

    address: str
    user_id: str
    contact_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailsApi:
    """What the route needs. ``is_category`` knows built-in categories and enabled lists."""

    db: Executor
    mailer: Mailer
    nudge: Poke
    is_category: Callable[[str], bool]

    def post_email(self, req: Request, resp: Response) -> None:
        """202 as soon as the mail is recorded; the provider is called by the worker."""
        body = req.json_model(EmailBody)
        principal: Principal = req.principal
        self._check(body, principal)
        recipient = self._resolve(body)
        request = SendRequest(
            template=body.template,
            to=recipient.address,
            props=body.props,
            subject=body.subject,
            sender=body.sender,
            reply_to=_reply_to(body),
            idempotency_key=_idempotency_key(req, body),
            user_id=recipient.user_id,
            contact_id=recipient.contact_id,
            category=body.category,
            skip_preference_check=body.skip_preference_check,
        )
        try:
            result = self.mailer.enqueue(request, priority=_PRIORITY)
        except TemplateError as error:
            raise InvalidInput(error.message, code="template_failed") from error
        if result.status == "queued":
            self.nudge.poke()
        resp.json(to_answer(result), 202)

    def _check(self, body: EmailBody, principal: Principal) -> None:
        if body.to is None and body.user_id is None:
            raise InvalidInput("to or userId is required")
        if body.skip_preference_check and not grants(principal.scopes, "full-admin"):
            raise NotAllowed("skipPreferenceCheck requires a full-admin key")
        try:
            self.mailer.templates.get_definition(body.template)
        except UnknownTemplate as error:
            raise InvalidInput(f"Unknown template: {body.template}", hint=error.hint) from error
        if body.category is not None and not self.is_category(body.category):
            raise InvalidInput(f"Unknown category: {body.category}")

    def _resolve(self, body: EmailBody) -> Recipient:
        email = normalize_email(body.to) if body.to is not None else None
        rows = self.db.run(_Q["find_recipient"], email=email, user_id=body.user_id)
        if not rows:
            if email is None:
                raise NotFound("No resolvable email for recipient")
            return Recipient(address=email, user_id=email)
        contact_id, external_id, address = rows[0]
        if email is None and not address:
            raise NotFound("No resolvable email for recipient")
        return Recipient(
            address=email or address,
            user_id=external_id or str(contact_id),
            contact_id=contact_id,
        )


def to_answer(result: SendResult) -> JsonObject:
    """The wire form; outcomes the reference has no word for keep their reason."""
    status = result.status
    reason = result.reason
    if status in ("held", "deferred"):
        status, reason = "queued", None
    elif status == "unknown":
        # An earlier call with this key: it may have gone out and is not repeated.
        status, reason = "queued", "outcome_unknown"
    elif status == "failed":
        status = "skipped"
    elif status == "sent":
        reason = None
    answer: JsonObject = {
        "emailSendId": str(result.send_id) if result.send_id else "",
        "status": status,
    }
    if reason is not None:
        answer["reason"] = reason
    return answer


def _reply_to(body: EmailBody) -> tuple[str, ...]:
    if body.reply_to is None:
        return ()
    return (body.reply_to,) if isinstance(body.reply_to, str) else tuple(body.reply_to)


def _idempotency_key(req: Request, body: EmailBody) -> str | None:
    """The header wins; keys of callers live in their own name space."""
    key: str | None = req.env.get("HTTP_IDEMPOTENCY_KEY") or body.idempotency_key
    if key is None:
        return None
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidInput(f"Idempotency-Key must have at most {MAX_KEY_LENGTH} characters")
    return f"api:{key}"


def routes(api: EmailsApi, guards: Guards) -> list[Route]:
    """The route, for secret keys with ``ingest``, 30 calls a minute for each."""
    return [
        Route(
            method="POST",
            path=EMAILS_PATH,
            handler=api.post_email,
            guard=guards.require_scope("ingest", limit=EMAILS),
            doc=_POST_EMAIL,
        )
    ]


_POST_EMAIL = RouteDoc(
    summary="Send one mail",
    tag="Emails",
    description="Renders the template, asks every gate and answers before the provider is "
    "called: `queued` means that a worker will send it. A repeated idempotency key answers what "
    "became of the first call.",
    body=EmailBody,
    body_example={
        "userId": "user_1042",
        "template": "welcome",
        "props": {"name": "Ada"},
        "category": "transactional",
    },
    answers={
        202: Answer(
            description="Recorded",
            model=EmailAnswer,
            example={"emailSendId": "0199a1f0-5a2b-7c31-9d1e-0c4f6b7a8d90", "status": "queued"},
        )
    },
    errors={404: "Nobody with an address is meant"},
)
