"""Mail that was promised: the outbox topic ``email.send`` and the task that keeps the promise."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from hogsend.db import Executor, QueryFile
from hogsend.email.mailer import Mailer
from hogsend.email.models import SendResult
from hogsend.errors import HogsendError, ProviderError
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.orchestrator.port import (
    OrchestratorUnavailable,
    Priority,
    Run,
    RunRefused,
    RunRequest,
    Submitter,
)
from hogsend.outbox import Delivery, Held, OutboxRow, Park, Retry
from hogsend.outbox.store import renew, take

TOPIC: Final = "email.send"
TASK: Final = "send-email"
"""The engine's name of the task; a wire fact."""

_Q = QueryFile(__package__, "email.sql")
_ENGINE_AWAY = timedelta(seconds=1)
_POISON_AFTER = 30
_BACKOFF_SECONDS = (5.0, 30.0, 120.0, 300.0, 900.0)
# Nothing goes out until somebody repairs the account: no point in asking often.
_PERMANENT_SECONDS = 300.0
_HELD_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTopic:
    """TopicHandler of ``email.send``: one engine run for up to ``batch`` mails."""

    submitter: Submitter
    batch: int = 100
    topic: str = TOPIC

    def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
        """See TopicHandler."""
        outcomes: dict[int, Delivery] = {
            row.id: Park("its executor died or never answered again and again")
            for row in rows
            if row.attempts > _POISON_AFTER
        }
        alive = [row for row in rows if row.id not in outcomes]
        for start in range(0, len(alive), self.batch):
            chunk = alive[start : start + self.batch]
            outcome = self._submit(chunk)
            outcomes.update({row.id: outcome for row in chunk})
        return [outcomes[row.id] for row in rows]

    def _submit(self, rows: Sequence[OutboxRow]) -> Delivery:
        try:
            self.submitter.submit([_to_run(rows)])
        except OrchestratorUnavailable as error:
            return Retry(after=_ENGINE_AWAY, error=error.message)
        except RunRefused as error:
            return Park(error.message)
        return Held()


def _to_run(rows: Sequence[OutboxRow]) -> RunRequest:
    items: list[JsonValue] = [
        {"outbox": row.id, "send": str(row.ref_id), "attempts": row.attempts} for row in rows
    ]
    return RunRequest(
        task=TASK,
        input={"items": items},
        priority=Priority(max(row.priority for row in rows)),
        metadata={"mails": str(len(rows)), "outbox": str(rows[0].id)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    outbox_id: int
    send_id: UUID
    attempts: int


class SendQueue:
    """Executes runs of ``send-email``: takes the rows, drives the mails, settles the rows.

    A doubled or stale run finds a live holder or no row. ``threads`` mails are under way at once
    with a provider that takes one at a time. ``lease`` is how long a dead worker's mails stay
    taken; it is renewed at half.
    """

    def __init__(
        self,
        db: Executor,
        mailer: Mailer,
        *,
        clock: Clock,
        new_id: Callable[[], UUID],
        threads: int = 4,
        lease: timedelta = timedelta(seconds=60),
    ) -> None:
        self._db = db
        self._mailer = mailer
        self._lease = lease
        self._clock = clock
        self._new_id = new_id
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="send-email")

    async def handle(self, run: Run) -> JsonObject | None:
        """See TaskHandler; answers how many mails ended how."""
        items = _read_items(run.input.get("items"))
        loop = asyncio.get_running_loop()
        holder = self._new_id()
        held = await loop.run_in_executor(
            self._pool,
            lambda: take(self._db, [i.outbox_id for i in items], holder=holder, lease=self._lease),
        )
        mine = [item for item in items if item.outbox_id in held]
        size = self._mailer.batch_size
        chunks = [mine[start : start + size] for start in range(0, len(mine), size)]
        counts: Counter[str] = Counter()
        keeper = asyncio.create_task(self._keep([i.outbox_id for i in mine], holder))
        try:
            for told in await asyncio.gather(
                *(loop.run_in_executor(self._pool, self._send_chunk, c, holder) for c in chunks)
            ):
                counts.update(told)
        finally:
            keeper.cancel()
        return dict(counts)

    async def _keep(self, ids: Sequence[int], holder: UUID) -> None:
        """Prolong the lease while mails are under way; a worker that dies lets go soon."""
        while ids:
            await asyncio.sleep(self._lease.total_seconds() / 2)
            try:
                await asyncio.to_thread(renew, self._db, ids, holder=holder, lease=self._lease)
            except HogsendError as error:
                structlog.get_logger().warning("email.lease_not_renewed", error=str(error))

    def close(self) -> None:
        """Wait for what is under way; nothing new is taken."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _send_chunk(self, items: Sequence[_Item], holder: UUID) -> list[str]:
        try:
            answers = self._mailer.resume([item.send_id for item in items])
        except HogsendError as error:
            # The database is away: the rows come back when their lease is over.
            structlog.get_logger().warning("email.queue_interrupted", error=str(error))
            return ["interrupted"] * len(items)
        settled = [self._judge(i, a) for i, a in zip(items, answers, strict=True)]
        self._db.run(_Q["settle_promises"], rows=[row for row, _ in settled], holder=holder)
        return [outcome for _, outcome in settled]

    def _judge(
        self, item: _Item, answer: SendResult | HogsendError | None
    ) -> tuple[JsonObject, str]:
        row: JsonObject = {"id": item.outbox_id}
        if answer is None:
            return row, "gone"
        if isinstance(answer, SendResult):
            if answer.status == "deferred" and answer.retry_at is not None:
                wait = (answer.retry_at - self._clock.now()).total_seconds()
                return row | {"after_seconds": max(wait, 0.0), "error": answer.reason}, "deferred"
            if answer.status in ("held", "deferred"):
                return row | {"after_seconds": _HELD_SECONDS, "error": answer.reason}, "held"
            return row, answer.status
        if isinstance(answer, ProviderError):
            after = _retry_seconds(answer, item.attempts)
            return row | {"after_seconds": after, "error": str(answer)[:2000]}, answer.code
        # A template or its properties: nothing but a change of the content can help.
        return row | {"park": True, "error": str(answer)[:2000]}, answer.code


def _retry_seconds(error: ProviderError, attempts: int) -> float:
    if error.retry_after_seconds is not None:
        return error.retry_after_seconds
    if not error.is_retryable:
        return _PERMANENT_SECONDS
    return _BACKOFF_SECONDS[min(max(attempts - 1, 0), len(_BACKOFF_SECONDS) - 1)]


def _read_items(value: JsonValue) -> list[_Item]:
    """The mails of a run's input; what is no item is left out."""
    items: list[_Item] = []
    for entry in value if isinstance(value, list) else ():
        if not isinstance(entry, dict):
            continue
        outbox, send, attempts = entry.get("outbox"), entry.get("send"), entry.get("attempts")
        if isinstance(outbox, int | float) and isinstance(send, str):
            number = int(attempts) if isinstance(attempts, int | float) else 1
            items.append(_Item(outbox_id=int(outbox), send_id=UUID(send), attempts=number))
    return items
