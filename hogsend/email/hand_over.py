"""The provider's part of a send: hand over, and settle what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import structlog

from hogsend.email.compose import Letter
from hogsend.email.ledger import Ledger
from hogsend.email.ledger_rows import LedgerRow, Settled
from hogsend.email.models import SendResult
from hogsend.email.outcome import decide
from hogsend.email.providers.base import (
    BatchProvider,
    EmailProvider,
    ProviderReceipt,
    WireMessage,
)
from hogsend.errors import ProviderError, ProviderUnknown

if TYPE_CHECKING:
    from hogsend.telemetry.tracing import Tracing
from hogsend.kernel.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A letter whose row this process holds."""

    letter: Letter
    row: LedgerRow

    @property
    def send_id(self) -> UUID:
        """The row's id."""
        assert self.row.id is not None
        return self.row.id


class SentListener(Protocol):
    """Told after a mail went out; whatever it raises is logged and changes nothing."""

    def __call__(self, letter: Letter, result: SendResult) -> None: ...


class HandOver:
    """Drives claimed letters through the provider. Thread-safe."""

    def __init__(
        self,
        ledger: Ledger,
        provider: EmailProvider,
        *,
        clock: Clock,
        on_sent: Sequence[SentListener] = (),
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._ledger = ledger
        self._provider = provider
        self._clock = clock
        self._on_sent = tuple(on_sent)

    def drive(self, claimed: Claimed) -> SendResult:
        """One mail. Raises the provider's error when the same key may try again."""
        if self._tracing is None:
            return self._drive(claimed)
        attributes = {
            "hogsend.send_id": str(claimed.send_id),
            "hogsend.template": claimed.letter.send.template,
            "hogsend.provider": self._provider.name,
        }
        with self._tracing.caused_by(claimed.send_id, "hogsend.send", attributes):
            return self._drive(claimed)

    def _drive(self, claimed: Claimed) -> SendResult:
        try:
            receipt = self._send(claimed.letter.to_wire(claimed.row))
        except ProviderError as error:
            return self._refused(claimed, error)
        return self._accepted([(claimed, receipt)])[0]

    def drive_batch(self, claimed: Sequence[Claimed]) -> list[SendResult | ProviderError]:
        """Many mails in one call of a provider that has it; errors are answers, not raised."""
        if self._tracing is None:
            return self._drive_batch(claimed)
        attributes = {"hogsend.mails": len(claimed), "hogsend.provider": self._provider.name}
        causes = [c.send_id for c in claimed]
        with self._tracing.span("hogsend.send_batch", attributes, causes=causes):
            return self._drive_batch(claimed)

    def _drive_batch(self, claimed: Sequence[Claimed]) -> list[SendResult | ProviderError]:
        assert isinstance(self._provider, BatchProvider)
        messages = [c.letter.to_wire(c.row) for c in claimed]
        answers: Sequence[ProviderReceipt | ProviderError]
        try:
            answers = self._provider.send_batch(messages)
        except ProviderError as error:
            answers = [error] * len(claimed)
        except Exception as error:
            answers = [self._broken(error)] * len(claimed)
        pairs = list(zip(claimed, answers, strict=True))
        accepted = [(c, a) for c, a in pairs if isinstance(a, ProviderReceipt)]
        yes = dict(zip((c.send_id for c, _ in accepted), self._accepted(accepted), strict=True))
        results: list[SendResult | ProviderError] = []
        for c, answer in pairs:
            if isinstance(answer, ProviderReceipt):
                results.append(yes[c.send_id])
                continue
            try:
                results.append(self._refused(c, answer, in_batch=True))
            except ProviderError as error:
                results.append(error)
        return results

    def _send(self, message: WireMessage) -> ProviderReceipt:
        try:
            return self._provider.send(message)
        except ProviderError:
            raise
        except Exception as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> ProviderUnknown:
        """A bug in a provider says nothing about how far the message got."""
        return ProviderUnknown(
            f"provider {self._provider.name} failed in an unforeseen way: {error!r}",
            code="provider_broken",
        )

    def _accepted(self, accepted: Sequence[tuple[Claimed, ProviderReceipt]]) -> list[SendResult]:
        now = self._clock.now()
        is_settled = self._ledger.settle_sent(
            [
                Settled(send_id=c.send_id, message_id=receipt.message_id, sent_at=now)
                for c, receipt in accepted
            ]
        )
        log = structlog.get_logger()
        if not is_settled:
            log.warning("email.row_gone", send_ids=[str(c.send_id) for c, _ in accepted])
        results = []
        for c, receipt in accepted:
            result = SendResult(status="sent", send_id=c.send_id, message_id=receipt.message_id)
            for listener in self._on_sent:
                try:
                    listener(c.letter, result)
                except Exception:
                    log.exception("email.listener_failed", send_id=str(c.send_id))
            results.append(result)
        return results

    def _refused(
        self, claimed: Claimed, error: ProviderError, *, in_batch: bool = False
    ) -> SendResult:
        # A batch goes under one key of its own: a single message is not recognised by it.
        recognises = self._provider.capabilities.recognises_key_for is not None
        decision = decide(
            error,
            has_key=claimed.letter.send.idempotency_key is not None,
            is_uncertain=claimed.row.is_uncertain,
            is_recognised=recognises and not in_batch,
        )
        reason = f"{error.code}: {error.message}"
        is_settled = self._ledger.settle_unsent(
            claimed.send_id,
            token=claimed.letter.send.token,
            status=decision.status,
            reason=reason,
            keeps_hand_over=decision.keeps_hand_over,
            settled_at=self._clock.now(),
        )
        log = structlog.get_logger().bind(
            send_id=str(claimed.send_id), template=claimed.letter.send.template
        )
        if not is_settled:
            log.warning("email.lease_lost")
        if decision.result is None:
            log.warning("email.send_deferred", code=error.code, status=error.status)
            raise error
        return SendResult(status=decision.result, reason=reason, send_id=claimed.send_id)
