"""A sending domain at a provider."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from hogsend.errors import HogsendError, InvalidInput
from hogsend.kernel.wire_json import JsonObject

DomainState = Literal["not_found", "pending", "verified", "failed"]
RecordStatus = Literal["pending", "verified", "failed", "unknown"]
Purpose = Literal["verification", "spf", "dkim", "return_path", "tracking", "mx", "dmarc", "other"]
RecordKind = Literal["TXT", "CNAME", "MX"]

_DOMAIN = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE
)


class DomainRefused(HogsendError):
    """The provider said no. ``status`` is its HTTP status, None when it did not answer."""

    default_code = "domain_provider_error"

    def __init__(self, message: str, *, status: int | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status

    @property
    def is_forbidden(self) -> bool:
        """The key may send mail but not look after domains."""
        return self.status in (401, 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRecord:
    """One DNS record the provider wants. ``name`` is complete; ``status`` is the provider's."""

    type: RecordKind
    name: str
    value: str
    purpose: Purpose
    status: RecordStatus
    ttl: int | None = None
    priority: int | None = None

    def to_wire(self) -> JsonObject:
        """As the admin API shows it; values nobody knows are left out."""
        wire: JsonObject = {
            "type": self.type,
            "name": self.name,
            "value": self.value,
            "purpose": self.purpose,
            "status": self.status,
        }
        if self.ttl is not None:
            wire["ttl"] = self.ttl
        if self.priority is not None:
            wire["priority"] = self.priority
        return wire


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainStatus:
    """What the provider says about a domain."""

    domain: str
    state: DomainState
    records: Sequence[DomainRecord]
    provider: str
    checked_at: datetime


class DomainProvider(Protocol):
    """The part of a provider that looks after domains. Blocking; raises DomainRefused."""

    @property
    def name(self) -> str: ...

    def find(self, domain: str, *, now: datetime) -> DomainStatus:
        """The state of a domain; ``not_found`` for one the provider does not know."""
        ...

    def create(self, domain: str, *, now: datetime) -> DomainStatus:
        """Register a domain; one that is there already is answered like a new one."""
        ...

    def verify(self, domain: str, *, now: datetime) -> DomainStatus:
        """Ask the provider to look at the DNS records again."""
        ...


def check_domain(text: str) -> str:
    """The normal form of a domain name; raises InvalidInput."""
    domain = text.strip().rstrip(".").lower()
    if _DOMAIN.fullmatch(domain) is None:
        raise InvalidInput(
            f"{text!r} is not a domain name", hint="use for example mail.example.com"
        )
    return domain
