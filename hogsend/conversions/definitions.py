"""What an author declares about a conversion."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal, TypeAlias, TypedDict, get_args

from hogsend.conditions.builder import Property, on, prop
from hogsend.conditions.pattern import EventPattern

Channel: TypeAlias = Literal["campaign", "email", "form", "link", "referral", "sms"]
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)

ANY_EVENT: Final = "*"
# What pages report themselves; anybody can write it into the console of a browser.
UNPROVEN: Final = frozenset({"inapp"})
_CENT: Final = Decimal("0.01")
MOST: Final = Decimal("999999999999.99")  # numeric(14, 2)


class ConversionFields(TypedDict, total=False):
    """The keywords of ``app.conversion``; ``id`` and ``trigger`` are required.

    ``trigger`` may be ``on("*")``; its conditions see the event's properties and its ``event``,
    ``value`` and ``currency``. ``sources`` names the sources of events that count; without it all
    but ``inapp`` do. ``value`` is the event's own, unless it is a number or ``prop("total")``;
    ``currency`` belongs to these two. ``attribution_window`` says how long before a conversion
    something may have led to it, ``windows`` the same for single channels.
    """

    id: str
    name: str | None
    trigger: EventPattern
    sources: Collection[str] | None
    value: int | float | Decimal | Property | None
    currency: str | None
    attribution_window: timedelta
    windows: Mapping[Channel, timedelta] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionDefinition:
    """A checked declaration; see ConversionFields. Made by ``checks.check_fields``, or REVENUE.

    ``fixed_value`` and ``value_property`` are None when the event's own value counts.
    """

    id: str
    trigger: EventPattern
    name: str | None = None
    sources: frozenset[str] | None = None
    fixed_value: Decimal | None = None
    value_property: str | None = None
    currency: str | None = None
    attribution_window: timedelta = timedelta(days=90)
    windows: Mapping[str, timedelta] = field(default_factory=dict)

    def takes_source(self, source: str) -> bool:
        """Whether events of this source count."""
        return source in self.sources if self.sources is not None else source not in UNPROVEN


REVENUE: Final = ConversionDefinition(
    id="revenue",
    name="Revenue",
    trigger=on(ANY_EVENT).where(
        prop("value") > 0,
        prop("event") != "funnel.stage_changed",
        prop("event") != "deal.quoted",
    ),
)
"""Money that came in. Content replaces it by a conversion of its own with this id."""


def in_force(
    definitions: Iterable[ConversionDefinition], *, default_revenue: bool
) -> dict[str, ConversionDefinition]:
    """What is recorded, by id: the content's own, and REVENUE when the operator wants it."""
    found = {REVENUE.id: REVENUE} if default_revenue else {}
    return found | {definition.id: definition for definition in definitions}


def to_cents(amount: Decimal) -> Decimal:
    """As PostgreSQL rounds it to numeric(14, 2); for what is at most MOST."""
    return amount.quantize(_CENT, ROUND_HALF_UP)
