"""From a request to a finished letter: checks, template, preference links, decoration, gates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hogsend.email.attachments import (
    AttachmentsUnsupported,
    check_attachments,
    describe_attachments,
)
from hogsend.email.decorate import Addressee, MailDecorator, UrlMaker
from hogsend.email.gates import GateInput, applicable_gates
from hogsend.email.ledger_rows import LedgerRow, NewSend
from hogsend.email.models import SendRequest
from hogsend.email.policy import TRANSACTIONAL, SendPolicy
from hogsend.email.providers.base import EmailProvider, WireMessage
from hogsend.email.stored_request import to_stored
from hogsend.email.templates.models import RenderedMail, TemplateDefinition
from hogsend.errors import InvalidInput
from hogsend.kernel.addresses import is_email, normalize_email, parse_sender
from hogsend.kernel.wire_json import JsonObject, JsonValue

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,76}")
_MAX_HEADERS = 50
_MAX_HEADER_VALUE = 2000
# Written by us or by the provider; a second one would contradict the message.
_OURS = frozenset(
    {
        "from", "to", "cc", "bcc", "subject", "date", "sender", "message-id", "reply-to",
        "return-path", "received", "mime-version", "content-type", "content-transfer-encoding",
        "content-disposition", "dkim-signature", "idempotency-key",
    }
)  # fmt: skip


class TemplateSet(Protocol):
    """Finds and renders templates; ``TemplateRegistry`` or one that reloads itself."""

    def keys(self) -> list[str]:
        """Every key, sorted."""
        ...

    def preview(self, key: str, props: Mapping[str, JsonValue] | None = None) -> RenderedMail:
        """The template filled with its examples; raises like ``render``."""
        ...

    def get_definition(self, key: str) -> TemplateDefinition:
        """Raises UnknownTemplate."""
        ...

    def render(
        self, key: str, props: Mapping[str, JsonValue], *, subject: str | None = None
    ) -> RenderedMail:
        """Raises UnknownTemplate, InvalidInput or TemplateError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TestState:
    """Whether mail is redirected now, and where to (None: it is blocked)."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    is_active: bool = False
    inbox: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A request with everything that follows from it. ``send.id`` names it.

    ``waits_until`` says, by the reason of a deferring gate, when to come back.
    """

    request: SendRequest
    mail: RenderedMail
    send: NewSend
    reply_to: tuple[str, ...] = ()
    waits_until: Mapping[str, datetime] = field(default_factory=dict)

    def to_wire(self, row: LedgerRow) -> WireMessage:
        """The message for the provider; the same bytes for the same row."""
        return WireMessage(
            send_id=self.send.id,
            idempotency_key=f"hs:{self.send.id}",
            sender=self.send.sender,
            to=self.send.to,
            subject=self.send.subject,
            html=self.mail.html,
            text=self.mail.text,
            created_at=row.created_at,
            reply_to=self.reply_to,
            headers=self.mail.headers,
            tags={
                **self.request.tags,
                "hs_send_id": str(self.send.id),
                "hs_template": self.send.template,
            },
            attachments=self.request.attachments,
            category=self.send.category,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Pure: writes nothing and asks nobody. ``urls`` None: mail without preference links."""

    templates: TemplateSet
    provider: EmailProvider
    policy: SendPolicy
    sender: str
    reply_to: tuple[str, ...] = ()
    urls: UrlMaker | None = None
    decorators: Sequence[MailDecorator] = ()
    new_id: Callable[[], UUID] = field(kw_only=True)

    def compose(
        self,
        request: SendRequest,
        *,
        send_id: UUID,
        at: datetime,
        now: datetime,
        test: TestState,
        rate_allows_at: datetime | None = None,
    ) -> Letter:
        """``at`` is when the ledger row was (or will be) made; token life counts from it.

        Raises InvalidInput (addresses, headers, attachments, properties), UnknownTemplate and
        TemplateError.
        """
        self._check(request)
        person = to_wire_address(request.to.replace("\0", ""))
        definition = self.templates.get_definition(request.template)
        category = request.category or definition.category
        mail = self._render(request, person=person, category=category, at=at)
        metadata: JsonObject = dict(request.metadata)
        if request.attachments:
            metadata["attachments"] = describe_attachments(request.attachments)
        sender, to, subject = request.sender or self.sender, person, mail.subject
        if test.is_active:
            metadata.update({"testMode": True, "originalTo": person})
        if test.is_active and test.inbox is not None:
            to = test.inbox
            sender = self.provider.capabilities.test_sender or sender
            subject = f"[TEST → {person}] {subject}"
        window = self.policy.window
        opens_at = window.opens_at(now, timezone=request.timezone) if window else None
        given = GateInput(
            request=request,
            person=person,
            category=category,
            policy=self.policy,
            is_test=test.is_active,
            test_inbox=test.inbox,
            window_opens_at=opens_at,
            rate_allows_at=rate_allows_at,
        )
        send = NewSend(
            id=send_id,
            token=self.new_id(),
            template=request.template,
            sender=sender,
            to=to,
            intended_to=person,
            subject=subject,
            category=category,
            provider=self.provider.name,
            idempotency_key=request.idempotency_key,
            user_id=request.user_id,
            contact_id=request.contact_id,
            journey_state_id=request.journey_state_id,
            campaign_id=request.campaign_id,
            skip_preference_check=request.skip_preference_check,
            metadata=metadata,
            request=to_stored(request),
            gates=applicable_gates(given),
            created_at=at,
        )
        for decorator in self.decorators:
            mail = decorator.decorate(mail, send)
        waits = {"send_window": opens_at, "rate_limited": rate_allows_at}
        return Letter(
            request=request,
            mail=mail,
            send=send,
            reply_to=request.reply_to or self.reply_to,
            waits_until={reason: at for reason, at in waits.items() if at is not None},
        )

    def again(self, letter: Letter, row: LedgerRow, *, now: datetime, test: TestState) -> Letter:
        """The letter for a row that was there already, as the first driver would have made it."""
        assert row.id is not None
        made = self.compose(letter.request, send_id=row.id, at=row.created_at, now=now, test=test)
        return replace(made, send=replace(made.send, token=letter.send.token))

    def _check(self, request: SendRequest) -> None:
        if request.attachments:
            check_attachments(request.attachments)
            if not self.provider.capabilities.attachments:
                raise AttachmentsUnsupported(
                    f"provider {self.provider.name!r} cannot send attachments"
                )
        if request.sender is not None:
            parse_sender(request.sender)
        for address in request.reply_to:
            parse_sender(address)
        check_headers(request.headers)

    def _render(
        self, request: SendRequest, *, person: str, category: str | None, at: datetime
    ) -> RenderedMail:
        unsubscribe, preferences = self._make_urls(request, person=person, category=category, at=at)
        props: dict[str, JsonValue] = {"email": person, **request.props}
        for name, url in (("unsubscribe", unsubscribe), ("preferences", preferences)):
            # Templates of the reference's authors say unsubscribeUrl.
            for prop in (f"{name}_url", f"{name}Url"):
                if props.get(prop) is None:
                    props[prop] = url
        mail = self.templates.render(request.template, props, subject=request.subject)
        headers = dict(request.headers)
        has_own = any(name.lower() == "list-unsubscribe" for name in headers)
        if unsubscribe is not None and category != TRANSACTIONAL and not has_own:
            headers["List-Unsubscribe"] = f"<{unsubscribe}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return replace(
            mail,
            headers=headers,
            track=mail.track and request.track,
            unsubscribe_url=unsubscribe,
            preferences_url=preferences,
        )

    def _make_urls(
        self, request: SendRequest, *, person: str, category: str | None, at: datetime
    ) -> tuple[str | None, str | None]:
        if self.urls is None or request.skip_preference_check:
            return None, None
        who = Addressee(
            external_id=request.user_id or person, email=person, category=category, at=at
        )
        # Nobody can opt out of a receipt, so such mail offers the choices page only.
        out = None if category == TRANSACTIONAL else self.urls.unsubscribe_url(who)
        return out, self.urls.preferences_url(who)


def to_wire_address(address: str) -> str:
    """Normalised, with an international domain in its ASCII form; otherwise as given."""
    normal = normalize_email(address)
    local, at, domain = normal.rpartition("@")
    if not at or domain.isascii():
        return normal
    try:
        encoded = f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return normal
    return encoded if is_email(encoded) else normal


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises InvalidInput for anything that could break out of its header or forge one of ours."""
    if len(headers) > _MAX_HEADERS:
        raise InvalidInput(f"at most {_MAX_HEADERS} headers", code="invalid_header")
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in _OURS:
            raise InvalidInput(f"the header {name!r} cannot be set", code="invalid_header")
        if len(value) > _MAX_HEADER_VALUE or any(ord(ch) < 32 or ord(ch) == 127 for ch in value):
            raise InvalidInput(
                f"the value of header {name!r} is too long or holds control characters",
                code="invalid_header",
            )
