"""The contract between the mailer and every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from hogsend.errors import ProviderUnknown
from hogsend.kernel.addresses import domain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do; the defaults promise nothing.

    ``recognises_key_for``: how long a second message with the same idempotency key is recognised
    and not delivered again; None when it never is. ``test_sender`` must be used as sender while
    test mode redirects mail.
    """

    recognises_key_for: timedelta | None = None
    test_sender: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMessage:
    """One finished mail. Equal rows give equal messages, so a repeated hand-over is byte-stable.

    ``sender`` is ``a@b.c`` or ``Name <a@b.c>``; ``to`` one bare address. ``headers`` are delivered
    to the recipient, ``tags`` only to the provider, ``idempotency_key`` to neither.
    """

    send_id: UUID
    idempotency_key: str
    sender: str
    to: str
    subject: str
    html: str
    text: str
    created_at: datetime
    reply_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def message_id(self) -> str:
        """The RFC 5322 Message-ID for providers that let us choose it, the same on every try."""
        return f"<{self.send_id}@{domain_of(self.sender)}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReceipt:
    """The provider took responsibility; ``message_id`` is how it names the mail."""

    message_id: str


class EmailProvider(Protocol):
    """A blocking, thread-safe wire. ``name`` is the id used in EMAIL_PROVIDER and the ledger."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def send(self, message: WireMessage) -> ProviderReceipt:
        """Hand over one mail.

        Raises ProviderTransient (nothing was accepted, try again), ProviderUnknown (may have been
        accepted), ProviderRejected (this mail never), ProviderPermanent (no mail until somebody
        acts).
        """
        ...

    def close(self) -> None:
        """Free connections."""
        ...


class ProviderDisputed(ProviderUnknown):
    """The provider knows our key with another content: an earlier try was most likely accepted.

    Trying again cannot help.
    """

    default_code = "provider_disputed"
    is_retryable = False
