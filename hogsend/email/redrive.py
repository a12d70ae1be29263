"""Finds sends that nobody drives any more and brings them to an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from hogsend.db import Executor, QueryFile
from hogsend.email.mailer import Mailer
from hogsend.email.models import SendResult
from hogsend.kernel.clock import Clock

_Q = QueryFile(__package__, "email.sql")
_LIMIT = 200
_MAX_ATTEMPTS = 8
_OLDEST = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """``resolved``: the provider knew the answer; ``doubted``: became unknown; ``forgotten``:
    stored requests emptied."""

    resolved: int = 0
    asked: int = 0
    doubted: int = 0
    forgotten: int = 0


class Redrive:
    """One sweep; any number of workers may run it at the same time.

    Rows whose answer was lost are handed over again, with the same bytes under the same key, as
    long as the provider recognises it. Afterwards they are ``unknown`` until its webhook says
    otherwise. ``quiet`` is how long a row must have been left alone: its own driver (a journey,
    the send queue) comes first.
    """

    def __init__(
        self,
        db: Executor,
        mailer: Mailer,
        *,
        clock: Clock,
        quiet: timedelta = timedelta(minutes=10),
        keep_requests: timedelta = timedelta(days=2),
    ) -> None:
        self._db = db
        self._mailer = mailer
        self._clock = clock
        self._quiet = quiet.total_seconds()
        self._keep = keep_requests

    def sweep(self) -> Swept:
        """Ask again, doubt, forget; raises DatabaseError."""
        recognised = self._mailer.recognises_key_for
        doubted = self._db.run(
            _Q["doubt_left_behind"],
            quiet_seconds=self._quiet,
            recognised_seconds=recognised.total_seconds() if recognised else None,
            limit=_LIMIT,
        )
        ids = self._find(recognised) if recognised else []
        # One by one: a mail may only be repeated under its own key, never inside a batch.
        answers = [answer for send_id in ids for answer in self._mailer.resume([send_id])]
        resolved = sum(1 for a in answers if isinstance(a, SendResult) and a.status == "sent")
        forgotten = self._db.run(
            _Q["forget_requests"], before=self._clock.now() - self._keep, limit=_LIMIT * 25
        )
        swept = Swept(
            resolved=resolved, asked=len(ids), doubted=len(doubted), forgotten=len(forgotten)
        )
        if ids or doubted:
            structlog.get_logger().info(
                "email.redriven",
                asked=swept.asked,
                resolved=swept.resolved,
                doubted=swept.doubted,
            )
        return swept

    def _find(self, recognised: timedelta) -> list[UUID]:
        rows = self._db.run(
            _Q["find_left_behind"],
            since=self._clock.now() - _OLDEST,
            recognised_seconds=recognised.total_seconds(),
            provider=self._mailer.provider_name,
            max_attempts=_MAX_ATTEMPTS,
            quiet_seconds=self._quiet,
            limit=_LIMIT,
        )
        return [row[0] for row in rows]
