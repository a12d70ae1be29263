"""Sends one mail to one person, at most once per idempotency key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from hogsend.db import Executor
from hogsend.email.gates import GateInput, applicable_gates
from hogsend.email.ledger import Ledger, LedgerRow, NewSend
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.outcome import decide
from hogsend.email.providers.base import EmailProvider, ProviderReceipt, WireMessage
from hogsend.email.templates.models import RenderedMail
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import HogsendError, ProviderError, ProviderUnknown
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class MailerOptions:
    """``sender`` is ``a@b.c`` or ``Name <a@b.c>``.

    ``is_test`` redirects every mail to ``test_inbox`` (None blocks them). ``lease`` is how long a
    driver may work on one mail before another may look at it; longer than any provider call.
    """

    sender: str
    reply_to: str | None = None
    is_test: bool = False
    test_inbox: str | None = None
    lease: timedelta = timedelta(seconds=60)


class SendObserver(Protocol):
    """Told about every finished call, for metrics; ``outcome`` is a status or an error code."""

    def __call__(self, *, provider: str, template: str, outcome: str) -> None: ...


class Mailer:
    """Gates, ledger, template and provider in the order that keeps a mail from going twice.

    A fresh send is two statements: claim (gates, row, hand-over mark), settle.
    """

    def __init__(
        self,
        db: Executor,
        *,
        provider: EmailProvider,
        templates: TemplateRegistry,
        options: MailerOptions,
        clock: Clock,
        new_id: Callable[[], UUID],
        observe: SendObserver | None = None,
    ) -> None:
        self._provider = provider
        self._templates = templates
        self._options = options
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self._ledger = Ledger(
            db, lease=options.lease, recognised_for=provider.capabilities.recognises_key_for
        )

    @property
    def provider_name(self) -> str:
        """The id of the provider in use."""
        return self._provider.name

    def send(self, request: SendRequest) -> SendResult:
        """Blocking and thread-safe. A repeated key answers what is recorded.

        Raises TemplateError, UnknownTemplate or InvalidInput before anything is stored;
        ProviderTransient and ProviderUnknown (ask again with the same key; without a key the
        attempt is over and a new call is a new mail); ProviderPermanent until somebody acts. A
        mail the provider refuses for good is returned as ``failed``, one whose fate cannot be
        learned as ``unknown``.
        """
        try:
            rendered = self._render(request)
        except HogsendError:
            # A deploy may have removed the template of a mail that went out long ago.
            recorded = self._ledger.find(request.idempotency_key)
            if recorded is None or recorded.to_result().status == "held":
                raise
            return recorded.to_result()
        send = self._address(request, rendered)
        row = self._ledger.claim(send)
        if not (row.is_mine and row.status == "queued"):
            return self._report(request, row.to_result())
        return self._drive(request, rendered, send=send, row=row)

    def close(self) -> None:
        """Free the provider's connections."""
        self._provider.close()

    def _render(self, request: SendRequest) -> RenderedMail:
        props = {"email": normalize_email(request.to), **request.props}
        return self._templates.render(request.template, props, subject=request.subject)

    def _address(self, request: SendRequest, rendered: RenderedMail) -> NewSend:
        options = self._options
        person = normalize_email(request.to.replace("\0", ""))
        sender, to, subject = options.sender, person, rendered.subject
        metadata: JsonObject = dict(request.metadata)
        if options.is_test:
            metadata.update({"testMode": True, "originalTo": person})
        if options.is_test and options.test_inbox is not None:
            to = options.test_inbox
            sender = self._provider.capabilities.test_sender or sender
            subject = f"[TEST → {person}] {subject}"
        given = GateInput(
            to=person,
            is_test=options.is_test,
            test_inbox=options.test_inbox,
            skip_preference_check=request.skip_preference_check,
        )
        return NewSend(
            id=self._new_id(),
            token=self._new_id(),
            template=request.template,
            sender=sender,
            to=to,
            intended_to=person,
            subject=subject,
            category=request.category or rendered.category,
            provider=self._provider.name,
            idempotency_key=request.idempotency_key,
            user_id=request.user_id,
            contact_id=request.contact_id,
            journey_state_id=request.journey_state_id,
            metadata=metadata,
            gates=applicable_gates(given),
            created_at=self._clock.now(),
        )

    def _drive(
        self, request: SendRequest, rendered: RenderedMail, *, send: NewSend, row: LedgerRow
    ) -> SendResult:
        message = WireMessage(
            send_id=row.id,
            idempotency_key=f"hs:{row.id}",
            sender=send.sender,
            to=send.to,
            subject=send.subject,
            html=rendered.html,
            text=rendered.text,
            created_at=row.created_at,
            reply_to=self._options.reply_to,
            tags={"hs_send_id": str(row.id), "hs_template": send.template},
        )
        try:
            receipt = self._hand_over(message)
        except ProviderError as error:
            return self._settle_refusal(request, error, send=send, row=row)
        is_settled = self._ledger.settle_sent(
            row.id, message_id=receipt.message_id, sent_at=self._clock.now()
        )
        if not is_settled:
            structlog.get_logger().warning("email.settled_elsewhere", send_id=str(row.id))
        return self._report(
            request, SendResult(status="sent", send_id=row.id, message_id=receipt.message_id)
        )

    def _hand_over(self, message: WireMessage) -> ProviderReceipt:
        try:
            return self._provider.send(message)
        except ProviderError:
            raise
        except Exception as error:
            # A bug in a provider says nothing about how far the message got.
            raise ProviderUnknown(
                f"provider {self._provider.name} failed in an unforeseen way: {error!r}",
                code="provider_broken",
            ) from error

    def _settle_refusal(
        self, request: SendRequest, error: ProviderError, *, send: NewSend, row: LedgerRow
    ) -> SendResult:
        decision = decide(
            error,
            has_key=send.idempotency_key is not None,
            is_uncertain=row.is_uncertain,
            is_recognised=self._provider.capabilities.recognises_key_for is not None,
        )
        reason = f"{error.code}: {error.message}"
        is_settled = self._ledger.settle_unsent(
            row.id,
            token=send.token,
            status=decision.status,
            reason=reason,
            keeps_hand_over=decision.keeps_hand_over,
            settled_at=self._clock.now(),
        )
        log = structlog.get_logger().bind(send_id=str(row.id), template=send.template)
        if not is_settled:
            log.warning("email.lease_lost")
        if decision.result is None:
            log.warning("email.send_deferred", code=error.code, status=error.status)
            self._count(request, error.code)
            raise error
        return self._report(
            request, SendResult(status=decision.result, reason=reason, send_id=row.id)
        )

    def _report(self, request: SendRequest, result: SendResult) -> SendResult:
        structlog.get_logger().info(
            "email.send_finished",
            status=result.status,
            reason=result.reason,
            template=request.template,
            send_id=str(result.send_id),
            is_test=self._options.is_test,
        )
        self._count(request, result.status)
        return result

    def _count(self, request: SendRequest, outcome: str) -> None:
        if self._observe is not None:
            self._observe(provider=self._provider.name, template=request.template, outcome=outcome)
