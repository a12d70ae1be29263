"""What the content wants of an event, computed before the database is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hogsend.kernel.wire_json import JsonValue


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
