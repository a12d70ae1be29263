"""Ships due outbox rows to their topic handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from hogsend.db import Database
from hogsend.db.errors import DatabaseUnavailable
from hogsend.errors import HogsendError
from hogsend.kernel.lifetimes import BackgroundLoop
from hogsend.outbox import store
from hogsend.outbox.models import Delivery, Done, Held, OutboxRow, Park, Retry, TopicHandler

CHANNEL = "hogsend_outbox"
_UNKNOWN_TOPIC = Retry(after=timedelta(minutes=1), error="no handler for this topic here")
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 600.0
_MOST_FAILURES = 12
"""A row that still fails at this hand-over (after about an hour) is poison."""


class Relay(BackgroundLoop):
    """One thread: claim, deliver, note the outcome; sleeps until a NOTIFY or the poll interval.

    Any number of relays may run: claims skip each other's rows. A row is delivered at least
    once; rows of one subject in order. A handler that raises is given the rows one by one, so that
    only the poisoned one waits, longer each time, and is parked in the end. Natural batching:
    under load a claim finds many rows, when quiet it finds one, and there is no linger timer.
    The thread asks ``may_ship`` before every claim.
    """

    def __init__(
        self,
        db: Database,
        handlers: Sequence[TopicHandler],
        *,
        resubmit: timedelta = timedelta(seconds=60),
        claim_limit: int = 500,
        poll: timedelta = timedelta(seconds=1),
        may_ship: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__("relay")
        self._db = db
        self._may_ship = may_ship
        self._handlers: Mapping[str, TopicHandler] = {h.topic: h for h in handlers}
        self._resubmit = resubmit
        self._limit = claim_limit
        self._poll = poll
        self._log = structlog.get_logger()

    def drain_once(self) -> int:
        """Claim and deliver one batch; returns the number of rows claimed."""
        rows = store.claim_due(self._db, limit=self._limit, resubmit=self._resubmit)
        by_topic: dict[str, list[OutboxRow]] = {}
        for row in rows:
            by_topic.setdefault(row.topic, []).append(row)
        for topic, group in by_topic.items():
            self._settle(group, self._deliver(topic, group))
        return len(rows)

    def _deliver(self, topic: str, rows: list[OutboxRow]) -> Sequence[Delivery]:
        handler = self._handlers.get(topic)
        if handler is None:
            return [_UNKNOWN_TOPIC] * len(rows)
        try:
            deliveries = handler.deliver(rows)
            if len(deliveries) != len(rows):
                raise RuntimeError(f"{len(deliveries)} outcomes for {len(rows)} rows")
        except DatabaseUnavailable:
            raise  # no row's fault; all become due again by themselves
        except Exception as error:  # a handler bug must not stop the other topics
            self._log.exception("relay.handler_failed", topic=topic, rows=len(rows))
            if len(rows) == 1:
                return [_after_failure(rows[0], error)]
            return [self._deliver(topic, [row])[0] for row in rows]
        return deliveries

    def _settle(self, rows: Sequence[OutboxRow], deliveries: Sequence[Delivery]) -> None:
        done: list[int] = []
        later: dict[Retry, list[int]] = {}
        for row, delivery in zip(rows, deliveries, strict=True):
            match delivery:
                case Done():
                    done.append(row.id)
                case Retry(is_counted=True, error=error) if row.attempts >= _MOST_FAILURES:
                    self._park(row, error)
                case Retry():
                    later.setdefault(delivery, []).append(row.id)
                case Park(error=error):
                    self._park(row, error)
                case Held():
                    pass
        for retry, ids in later.items():
            store.retry_rows(
                self._db, ids, after=retry.after, error=retry.error, is_counted=retry.is_counted
            )
        if done:
            store.delete_rows(self._db, done)

    def _park(self, row: OutboxRow, error: str) -> None:
        self._log.error("relay.row_parked", outbox_id=row.id, topic=row.topic, error=error)
        store.park_row(self._db, row.id, error=error)

    def _run(self) -> None:
        listener = self._db.listener([CHANNEL])
        try:
            while not self._stopping.is_set():
                if not self._may_ship():
                    self._stopping.wait(self._poll.total_seconds())
                    continue
                try:
                    claimed = self.drain_once()
                except HogsendError as error:
                    self._log.warning("relay.database_unavailable", error=str(error))
                    self._stopping.wait(self._poll.total_seconds())
                    continue
                if claimed < self._limit:
                    listener.wait(self._poll.total_seconds())
        finally:
            listener.close()


def _after_failure(row: OutboxRow, error: Exception) -> Delivery:
    seconds = min(_FIRST_PAUSE_SECONDS * 2 ** (row.attempts - 1), _LONGEST_PAUSE_SECONDS)
    return Retry(after=timedelta(seconds=seconds), error=repr(error), is_counted=True)
