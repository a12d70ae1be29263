"""Sends one mail to one person, at most once per idempotency key."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from hogsend.db import Executor
from hogsend.email.compose import Composer, Letter, TemplateSet, TestState, to_wire_address
from hogsend.email.decorate import MailDecorator, UrlMaker
from hogsend.email.drive import Driver, SendObserver
from hogsend.email.hand_over import HandOver, SentListener
from hogsend.email.ledger import Ledger
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.pacing import Pacer, RateLimits, to_instant
from hogsend.email.policy import SendPolicy
from hogsend.email.providers.base import BatchProvider, EmailProvider
from hogsend.email.stored_request import from_stored
from hogsend.errors import HogsendError, InvalidInput
from hogsend.kernel.clock import Clock

if TYPE_CHECKING:
    from hogsend.telemetry.tracing import Tracing
from hogsend.kv.client import Kv


@dataclass(frozen=True, slots=True, kw_only=True)
class MailerOptions:
    """``sender`` is ``a@b.c`` or ``Name <a@b.c>``.

    ``is_test`` redirects every mail to ``test_inbox`` (None blocks them). ``lease`` is how long a
    driver may work on one mail before another may look at it; longer than any provider call. A
    mail that has to wait for its turn at most ``patience`` waits inside ``send``, a longer wait
    is answered as ``deferred``.
    """

    sender: str
    reply_to: str | None = None
    is_test: bool = False
    test_inbox: str | None = None
    lease: timedelta = timedelta(seconds=120)
    patience: timedelta = timedelta(seconds=1)
    policy: SendPolicy = field(default_factory=SendPolicy)
    rates: RateLimits = field(default_factory=RateLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request of a chunk; ``at`` None: it is new."""

    request: SendRequest
    send_id: UUID
    at: datetime | None


class Mailer:
    """Gates, ledger, template and provider in the order that keeps a mail from going twice.

    A fresh send is two statements: claim (gates, row, links, hand-over mark), settle.
    """

    def __init__(
        self,
        db: Executor,
        *,
        provider: EmailProvider,
        templates: TemplateSet,
        options: MailerOptions,
        clock: Clock,
        new_id: Callable[[], UUID],
        observe: SendObserver | None = None,
        urls: UrlMaker | None = None,
        decorators: Sequence[MailDecorator] = (),
        kv: Kv | None = None,
        read_test_state: Callable[[], TestState] | None = None,
        on_sent: Sequence[SentListener] = (),
        tracing: Tracing | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._provider = provider
        self._options = options
        self._clock = clock
        self._new_id = new_id
        self._sleep = sleep
        fixed = TestState(is_active=options.is_test, inbox=options.test_inbox)
        self._test_state = read_test_state or (lambda: fixed)
        self.templates = templates
        self._composer = Composer(
            templates=templates,
            provider=provider,
            policy=options.policy,
            sender=options.sender,
            reply_to=(options.reply_to,) if options.reply_to else (),
            urls=urls,
            decorators=tuple(decorators),
            new_id=new_id,
        )
        self._ledger = Ledger(
            db, lease=options.lease, recognised_for=provider.capabilities.recognises_key_for
        )
        self._driver = Driver(
            self._ledger,
            provider,
            composer=self._composer,
            hand_over=HandOver(
                self._ledger, provider, clock=clock, on_sent=on_sent, tracing=tracing
            ),
            clock=clock,
            observe=observe,
        )
        self._tracing = tracing
        self._pacer = Pacer(options.rates, provider=provider.name, kv=kv, clock=clock)

    @property
    def provider_name(self) -> str:
        """The id of the provider in use."""
        return self._provider.name

    @property
    def batch_size(self) -> int:
        """Mails that go in one call of the provider; each holds its lease from the claim on."""
        if not isinstance(self._provider, BatchProvider):
            return 1
        return max(1, self._provider.capabilities.batch_size)

    @property
    def ledger(self) -> Ledger:
        """Where sends are recorded."""
        return self._ledger

    @property
    def recognises_key_for(self) -> timedelta | None:
        """How long the provider recognises a repeated mail."""
        return self._provider.capabilities.recognises_key_for

    def send(self, request: SendRequest) -> SendResult:
        """Blocking and thread-safe. A repeated key answers what is recorded.

        Raises TemplateError, UnknownTemplate or InvalidInput before anything is stored;
        ProviderTransient and ProviderUnknown (ask again with the same key; without a key the
        attempt is over and a new call is a new mail); ProviderPermanent until somebody acts. A
        mail the provider refuses for good is returned as ``failed``, one whose fate cannot be
        learned as ``unknown``, one whose time has not come as ``deferred``.
        """
        test = self._test_state()
        try:
            letter = self._compose(request, test=test, paced=True)
        except HogsendError:
            # A deploy may have removed the template of a mail that went out long ago.
            recorded = self._ledger.find(request.idempotency_key)
            if recorded is None or recorded.to_result().status in ("held", "suppressed"):
                raise
            return recorded.to_result(is_duplicate=True)
        return self._driver.drive(letter, test=test)

    def enqueue(self, request: SendRequest, *, priority: int = 2) -> SendResult:
        """Promise the mail to the worker; two round trips less than sending, no provider call.

        The gates are asked now (a mail that is stopped is answered as such) and again when it is
        sent. Raises like ``send``, but never a provider's error. Poke the nudge afterwards.
        """
        if request.attachments:
            raise InvalidInput(
                "a queued mail cannot carry attachments", code="attachments_unsupported"
            )
        send_id = self._new_id()
        # A row can only be driven again under a key; this one nobody else can know.
        keyed = replace(request, idempotency_key=request.idempotency_key or f"send:{send_id}")
        letter = self._compose(keyed, test=self._test_state(), send_id=send_id)
        gates = [g for g in letter.send.gates if isinstance(g, dict) and g["effect"] != "deferred"]
        row = self._ledger.claim(
            replace(letter.send, gates=list(gates)),
            links=letter.mail.links,
            mode="enqueue",
            priority=priority,
        )
        assert row is not None
        if row.id == send_id:
            structlog.get_logger().debug(
                "email.promised", send_id=str(send_id), template=request.template
            )
            if self._tracing is not None:
                self._tracing.begin_trace(send_id, "hogsend.promise", started_ns=time.time_ns())
        result = row.to_result(is_duplicate=row.id not in (None, send_id))
        return replace(result, status="queued") if row.status == "queued" else result

    def send_many(self, requests: Sequence[SendRequest]) -> list[SendResult | HogsendError]:
        """Many mails: one claim statement, the provider's batch call where it has one, one settle.

        Errors are answers, in the order of the requests. Meant for campaigns and the send queue.
        """
        test = self._test_state()
        answers: list[SendResult | HogsendError] = []
        for start in range(0, len(requests), self.batch_size):
            asked = [
                _Asked(request=request, send_id=self._new_id(), at=None)
                for request in requests[start : start + self.batch_size]
            ]
            letters = self._compose_chunk(asked, test=test)
            answers += self._driver.drive_many(letters, test=test, is_resumed=False)
        return answers

    def resume(self, send_ids: Sequence[UUID]) -> list[SendResult | HogsendError | None]:
        """Drive rows from what they hold; None: nothing left to do (settled, or not possible)."""
        answers: list[SendResult | HogsendError | None] = []
        for start in range(0, len(send_ids), self.batch_size):
            answers += self._resume_chunk(send_ids[start : start + self.batch_size])
        return answers

    def close(self) -> None:
        """Free the provider's connections."""
        self._provider.close()

    def _resume_chunk(self, send_ids: Sequence[UUID]) -> list[SendResult | HogsendError | None]:
        stored = self._ledger.load_requests(send_ids)
        test = self._test_state()
        found = [send_id for send_id in send_ids if send_id in stored]
        asked = [
            _Asked(
                request=from_stored(
                    stored[send_id].request, idempotency_key=stored[send_id].idempotency_key
                ),
                send_id=send_id,
                at=stored[send_id].created_at,
            )
            for send_id in found
        ]
        letters = self._compose_chunk(asked, test=test)
        driven = self._driver.drive_many(letters, test=test, is_resumed=True)
        answers = dict(zip(found, driven, strict=True))
        return [answers.get(send_id) for send_id in send_ids]

    def _compose_chunk(
        self, asked: Sequence[_Asked], *, test: TestState
    ) -> list[Letter | HogsendError]:
        """Letters that may share one call of the provider, which then takes one slot."""
        is_one_call = self.batch_size > 1
        call_at = self._turn(f"call:{asked[0].send_id}", None) if asked and is_one_call else None
        letters: list[Letter | HogsendError] = []
        for one in asked:
            try:
                letters.append(
                    self._compose(
                        one.request,
                        test=test,
                        send_id=one.send_id,
                        at=one.at,
                        paced=True,
                        call_at=call_at,
                        counts_call=not is_one_call,
                    )
                )
            except HogsendError as error:
                letters.append(error)
        return letters

    def _compose(
        self,
        request: SendRequest,
        *,
        test: TestState,
        send_id: UUID | None = None,
        at: datetime | None = None,
        paced: bool = False,
        call_at: datetime | None = None,
        counts_call: bool = True,
    ) -> Letter:
        now = self._clock.now()
        new = send_id or self._new_id()
        turn = call_at
        if paced and turn is None:
            caller = request.idempotency_key or str(new)
            turn = self._turn(caller, to_wire_address(request.to), counts_call=counts_call)
        return self._composer.compose(
            request, send_id=new, at=at or now, now=now, test=test, rate_allows_at=turn
        )

    def _turn(
        self, caller: str, address: str | None, *, counts_call: bool = True
    ) -> datetime | None:
        """Take a slot; short waits are spent here. None: go."""
        if self._pacer.is_idle:
            return None
        wait = self._pacer.ask(caller, address, counts_call=counts_call)
        if timedelta(0) < wait <= self._options.patience:
            self._sleep(wait.total_seconds())
            wait = self._pacer.ask(caller, address, counts_call=counts_call)
        return to_instant(self._clock.now(), wait)
