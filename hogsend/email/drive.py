"""From a composed letter to its answer: claim the row, hand over if it is ours, report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from hogsend.email.compose import Composer, Letter, TestState
from hogsend.email.hand_over import Claimed, HandOver
from hogsend.email.ledger import Ledger
from hogsend.email.ledger_rows import LedgerRow
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.providers.base import BatchProvider, EmailProvider
from hogsend.errors import HogsendError, ProviderError
from hogsend.kernel.clock import Clock


class SendObserver(Protocol):
    """Told about every finished call, for metrics; ``outcome`` is a status or an error code."""

    def __call__(self, *, provider: str, template: str, outcome: str) -> None: ...


class Driver:
    """Brings letters through the ledger and the provider. Thread-safe."""

    def __init__(
        self,
        ledger: Ledger,
        provider: EmailProvider,
        *,
        composer: Composer,
        hand_over: HandOver,
        clock: Clock,
        observe: SendObserver | None = None,
    ) -> None:
        self._ledger = ledger
        self._provider = provider
        self._composer = composer
        self._hand_over = hand_over
        self._clock = clock
        self._observe = observe

    def drive(self, letter: Letter, *, test: TestState) -> SendResult:
        """One new mail. Raises the provider's error when the same key may try again."""
        row = self._ledger.claim(letter.send, links=letter.mail.links)
        assert row is not None
        if not (row.is_mine and row.status == "queued"):
            return self._report(letter.request, self._stopped(letter, row, is_fresh=True))
        return self._finish(self._claimed(letter, row, test=test))

    def drive_many(
        self, letters: Sequence[Letter | HogsendError], *, test: TestState, is_resumed: bool
    ) -> list[SendResult | HogsendError]:
        """Letters in one claim; an error among them is its own answer. Order is kept."""
        good = [letter for letter in letters if isinstance(letter, Letter)]
        rows = self._ledger.claim_many(
            [(letter.send, letter.mail.links) for letter in good],
            mode="resume" if is_resumed else "send",
        )
        answers: list[SendResult | HogsendError | None] = [None] * len(good)
        mine: list[tuple[int, Claimed]] = []
        for index, (letter, row) in enumerate(zip(good, rows, strict=True)):
            if row is None:
                answers[index] = SendResult(status="skipped", reason="row_gone")
            elif row.is_mine and row.status == "queued":
                mine.append((index, self._claimed(letter, row, test=test)))
            else:
                answers[index] = self._report(
                    letter.request, self._stopped(letter, row, is_fresh=not is_resumed)
                )
        for index, result in self._drive_claimed(mine):
            answers[index] = result
        ordered = iter(answers)
        merged: list[SendResult | HogsendError] = []
        for entry in letters:
            answer = next(ordered) if isinstance(entry, Letter) else entry
            assert answer is not None
            merged.append(answer)
        return merged

    def _drive_claimed(
        self, mine: Sequence[tuple[int, Claimed]]
    ) -> list[tuple[int, SendResult | HogsendError]]:
        answers: list[tuple[int, SendResult | HogsendError]] = []
        batchable: list[tuple[int, Claimed]] = []
        for index, claimed in mine:
            # A repeated hand-over must go under the mail's own key, and files never batch.
            is_single = claimed.row.is_uncertain or claimed.letter.request.attachments
            if is_single or not isinstance(self._provider, BatchProvider):
                answers.append((index, self._drive_one(claimed)))
            else:
                batchable.append((index, claimed))
        size = max(1, self._provider.capabilities.batch_size)
        for start in range(0, len(batchable), size):
            chunk = batchable[start : start + size]
            if len(chunk) == 1:
                answers.append((chunk[0][0], self._drive_one(chunk[0][1])))
                continue
            results = self._hand_over.drive_batch([claimed for _, claimed in chunk])
            for (index, claimed), result in zip(chunk, results, strict=True):
                if isinstance(result, SendResult):
                    self._report(claimed.letter.request, result)
                else:
                    self._count(claimed.letter.request, result.code)
                answers.append((index, result))
        return answers

    def _drive_one(self, claimed: Claimed) -> SendResult | HogsendError:
        try:
            return self._finish(claimed)
        except HogsendError as error:
            return error

    def _claimed(self, letter: Letter, row: LedgerRow, *, test: TestState) -> Claimed:
        if row.id != letter.send.id:
            letter = self._composer.again(letter, row, now=self._clock.now(), test=test)
            self._ledger.keep_links(letter.send.id, letter.mail.links)
        return Claimed(letter=letter, row=row)

    def _finish(self, claimed: Claimed) -> SendResult:
        request = claimed.letter.request
        try:
            result = self._hand_over.drive(claimed)
        except ProviderError as error:
            self._count(request, error.code)
            raise
        return self._report(request, result)

    def _stopped(self, letter: Letter, row: LedgerRow, *, is_fresh: bool) -> SendResult:
        is_duplicate = is_fresh and row.id not in (None, letter.send.id)
        return row.to_result(
            is_duplicate=is_duplicate, retry_at=letter.waits_until.get(row.reason or "")
        )

    def _report(self, request: SendRequest, result: SendResult) -> SendResult:
        structlog.get_logger().info(
            "email.send_finished",
            status=result.status,
            reason=result.reason,
            template=request.template,
            send_id=str(result.send_id),
        )
        self._count(request, result.status)
        return result

    def _count(self, request: SendRequest, outcome: str) -> None:
        if self._observe is not None:
            self._observe(provider=self._provider.name, template=request.template, outcome=outcome)
