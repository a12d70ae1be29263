"""The mail that asks for confirmation of a subscription."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from hogsend.db import Executor
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.policy import TRANSACTIONAL
from hogsend.errors import HogsendError
from hogsend.outbox.models import Delivery, Done, OutboxRow, Retry
from hogsend.preferences.lists import ListRegistry
from hogsend.preferences.optin import ConfirmLinks, find_confirmation

TEMPLATE = "confirm-subscription"
_RETRY = timedelta(seconds=30)


class Enqueues(Protocol):
    """The part of the mailer that promises a mail."""

    def enqueue(self, request: SendRequest) -> SendResult: ...


class OptInMails:
    """Topic ``email.opt_in``: promises one mail for each row, whatever is delivered twice.

    The mail is transactional: the person asked for it, perhaps after leaving everything else. A
    suppressed address gets none.
    """

    topic = "email.opt_in"

    def __init__(
        self, db: Executor, mailer: Enqueues, *, lists: ListRegistry, links: ConfirmLinks
    ) -> None:
        self._db = db
        self._mailer = mailer
        self._lists = lists
        self._links = links

    def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
        """One outcome per row."""
        return [self._deliver(row) for row in rows]

    def _deliver(self, row: OutboxRow) -> Delivery:
        wish = find_confirmation(self._db, UUID(str(row.payload["confirmation"])))
        found = None if wish is None else self._lists.find(wish.list_id)
        if wish is None or found is None or wish.confirmed_at is not None:
            return Done()
        request = SendRequest(
            template=TEMPLATE,
            to=wish.person.email,
            props={"listName": found.name, "confirmUrl": self._links.url(wish)},
            category=TRANSACTIONAL,
            user_id=wish.person.user_id,
            contact_id=wish.person.contact_id,
            idempotency_key=f"optin:{wish.id}:{row.payload['mail']}",
        )
        try:
            self._mailer.enqueue(request)
        except HogsendError as error:
            return Retry(after=_RETRY, error=str(error))
        return Done()
