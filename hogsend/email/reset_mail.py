"""The mail with the link for a forgotten Studio password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from hogsend.access.models import Admin
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.policy import TRANSACTIONAL

TEMPLATE = "studio-password-reset"
_PRIORITY = 3


class Enqueues(Protocol):
    """The part of the mailer that promises a mail."""

    def enqueue(self, request: SendRequest, *, priority: int = 2) -> SendResult: ...


class ResetMails:
    """Implements ``access.resets.ResetMail``: untracked, past every preference, never repeated.

    ``page`` is the absolute address of Studio's reset page.
    """

    def __init__(self, mailer: Enqueues, *, page: str, poke: Callable[[], None]) -> None:
        self._mailer = mailer
        self._page = page
        self._poke = poke

    def send_reset(self, admin: Admin, token: str) -> None:
        """Promise the mail; raises HogsendError when that cannot be stored."""
        self._mailer.enqueue(
            SendRequest(
                template=TEMPLATE,
                to=admin.email,
                props={"resetUrl": f"{self._page}?token={quote(token, safe='')}"},
                category=TRANSACTIONAL,
                skip_preference_check=True,
                track=False,
            ),
            priority=_PRIORITY,
        )
        self._poke()
