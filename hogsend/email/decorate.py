"""What may still change a rendered mail before the ledger takes it, and where its URLs come from.

The order in the mailer: ``UrlMaker`` (the template sees ``unsubscribe_url`` and
``preferences_url``), rendering, ``List-Unsubscribe`` headers, every ``MailDecorator`` in order,
then the claim, which stores ``RenderedMail.links`` in the same statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from hogsend.email.templates.models import RenderedMail

if TYPE_CHECKING:
    from hogsend.email.ledger_rows import NewSend


class MailDecorator(Protocol):
    """A last change to a mail: tracked links, an open pixel."""

    def decorate(self, mail: RenderedMail, send: NewSend) -> RenderedMail:
        """The mail as it goes out; pure.

        The same ``send.id``, ``send.created_at`` and html must give the same result: a mail that
        is handed over again has to be the same bytes under the same provider key. A mail with
        ``track`` false keeps its html. Raises InvalidInput for html that must not be sent;
        nothing is stored then.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Whose choice a preference URL changes.

    ``external_id`` is the person's key (their address when nothing else is known), ``category``
    what the mail belongs to, ``at`` the instant token life counts from (the row's creation).
    """

    external_id: str
    email: str
    category: str | None
    at: datetime


class UrlMaker(Protocol):
    """Makes the links with which a person leaves; deterministic for equal addressees."""

    def unsubscribe_url(self, person: Addressee) -> str | None:
        """One click out of the category (or of everything without one); None: no such link."""
        ...

    def preferences_url(self, person: Addressee) -> str | None:
        """The page with every choice; None: no such page."""
        ...
