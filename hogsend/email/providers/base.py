"""The contract between the mailer and every provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable
from uuid import UUID

from hogsend.email.attachments import Attachment
from hogsend.errors import ProviderError, ProviderUnknown
from hogsend.kernel.addresses import domain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do; the defaults promise nothing.

    ``recognises_key_for``: how long a second message with the same idempotency key is recognised
    and not delivered again; None when it never is. ``test_sender`` must be used as sender while
    test mode redirects mail. ``attachments``: files can be sent. ``batch_size``: messages in one
    call of ``send_batch`` (1: it has none). ``native_tracking``: the vendor can rewrite links by
    itself and must be told not to, in its own settings. ``scheduled_send``: the vendor can hold a
    mail back (Hogsend never asks it to). ``signed_webhooks``: its reports prove who sent them.
    """

    recognises_key_for: timedelta | None = None
    test_sender: str | None = None
    attachments: bool = False
    batch_size: int = 1
    native_tracking: bool = False
    scheduled_send: bool = False
    signed_webhooks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMessage:
    """One finished mail. Equal rows give equal messages, so a repeated hand-over is byte-stable.

    ``sender`` is ``a@b.c`` or ``Name <a@b.c>``; ``to`` one bare address. ``headers`` are delivered
    to the recipient, ``tags`` only to the provider, ``idempotency_key`` to neither. ``category``
    lets a provider with several streams choose one.
    """

    send_id: UUID
    idempotency_key: str
    sender: str
    to: str
    subject: str
    html: str
    text: str
    created_at: datetime
    reply_to: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    category: str | None = None

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


@runtime_checkable
class BatchProvider(Protocol):
    """A provider that takes many mails in one call."""

    def send_batch(self, messages: Sequence[WireMessage]) -> list[ProviderReceipt | ProviderError]:
        """One answer per message, in order; at most ``capabilities.batch_size`` messages.

        Raises what ``send`` raises when it concerns the whole call.
        """
        ...


class ProviderDisputed(ProviderUnknown):
    """The provider knows our key with another content: an earlier try was most likely accepted.

    Trying again cannot help.
    """

    default_code = "provider_disputed"
    is_retryable = False


def read_retry_after(value: str | None) -> float | None:
    """Retry-After in seconds, a day at most; the HTTP-date form is used by no vendor here."""
    try:
        seconds = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
