"""What the content wants of an event, computed before the database is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from hogsend.events.models import NewEvent
from hogsend.kernel.wire_json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """``starts``: journeys that should try to enroll; ``exits``: every journey that names the
    event as an exit, with whether its rule holds for these properties."""

    starts: tuple[str, ...] = ()
    exits: tuple[tuple[str, bool], ...] = ()


class EventMatcher(Protocol):
    """Implemented by the journey registry; pure, called on the request path."""

    def match(self, event: str, properties: Mapping[str, JsonValue]) -> Matches:
        """Triggers and exits of one event; never raises for odd properties."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A conversion that the event is, with what it is worth; the currency needs a value."""

    definition_id: str
    value: Decimal | None = None
    currency: str | None = None

    def as_json(self) -> JsonObject:
        """What ``hogsend.record_conversions_v1`` reads."""
        return {
            "definition": self.definition_id,
            "value": None if self.value is None else str(self.value),
            "currency": self.currency,
        }


class ConversionMatcher(Protocol):
    """Implemented by the conversion registry; pure, called on the request path."""

    def match(self, event: NewEvent) -> Sequence[Converted]:
        """What the event counts as, should it belong to somebody; never raises."""
        ...
