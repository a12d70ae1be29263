"""Conversions as operators read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

from hogsend.kernel.wire_json import iso_z

Sort: TypeAlias = Literal["occurredAt", "value", "definitionId"]
Direction: TypeAlias = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """One recorded conversion; the address is that of a living contact."""

    id: UUID
    definition_id: str
    contact_id: UUID
    contact_email: str | None
    value: Decimal | None
    currency: str | None
    occurred_at: datetime

    def as_wire(self) -> dict[str, Any]:
        """The public shape. Nothing declares a scope or is dispatched to ad platforms here."""
        return {
            "id": str(self.id),
            "definitionId": self.definition_id,
            "contactId": str(self.contact_id),
            "contactEmail": self.contact_email,
            "value": None if self.value is None else float(self.value),
            "currency": self.currency,
            "scopeJourneyId": None,
            "scopeCampaignId": None,
            "occurredAt": iso_z(self.occurred_at),
            "dispatches": [],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionCount:
    """How often one definition converted, lately and ever."""

    definition_id: str
    lately: int = 0
    ever: int = 0
    last_at: datetime | None = None

    def as_wire(self) -> dict[str, Any]:
        """The public shape."""
        return {
            "definitionId": self.definition_id,
            "count30d": self.lately,
            "countLifetime": self.ever,
            "lastFiredAt": None if self.last_at is None else iso_z(self.last_at),
        }
