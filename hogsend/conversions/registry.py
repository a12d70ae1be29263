"""The conversions in force, indexed by the events they care about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from hogsend.conditions.evaluate import evaluate
from hogsend.conditions.model import ORDERINGS, PropertyCondition, is_number
from hogsend.conversions.definitions import (
    ANY_EVENT,
    MOST,
    ConversionDefinition,
    in_force,
    to_cents,
)
from hogsend.events.matching import Converted
from hogsend.events.models import NewEvent
from hogsend.kernel.wire_json import JsonValue


class ConversionRegistry:
    """Implements ConversionMatcher for the content's conversions and the built-in one."""

    def __init__(
        self, definitions: Iterable[ConversionDefinition], *, default_revenue: bool = True
    ) -> None:
        self._definitions = in_force(definitions, default_revenue=default_revenue)
        self._by_event: dict[str, list[ConversionDefinition]] = defaultdict(list)
        # Most events have no value: those that are about money are not even asked then.
        self._of_any: list[ConversionDefinition] = []
        self._of_any_without_value: list[ConversionDefinition] = []
        for definition in self._definitions.values():
            if definition.trigger.event != ANY_EVENT:
                self._by_event[definition.trigger.event].append(definition)
                continue
            self._of_any.append(definition)
            if not _needs_value(definition):
                self._of_any_without_value.append(definition)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of everything that is recorded, the built-in one first."""
        return tuple(self._definitions)

    def hears(self, event: str) -> bool:
        """Whether some conversion names this event; one of any event names none."""
        return event in self._by_event

    def match(self, event: NewEvent) -> tuple[Converted, ...]:
        """See ConversionMatcher."""
        named = self._by_event.get(event.name, ())
        wild = self._of_any if event.value is not None else self._of_any_without_value
        if not named and not wild:
            return ()
        candidates = [d for d in (*wild, *named) if d.takes_source(event.source)]
        if not candidates:
            return ()
        bag = _bag(event)
        return tuple(
            _converted(definition, event)
            for definition in candidates
            if evaluate(definition.trigger.where, bag)
        )


def _needs_value(definition: ConversionDefinition) -> bool:
    """Whether a condition compares the value, which null never passes."""
    return any(
        isinstance(condition, PropertyCondition)
        and condition.property == "value"
        and condition.operator in ORDERINGS
        for condition in definition.trigger.where
    )


def _bag(event: NewEvent) -> dict[str, JsonValue]:
    """What conditions see; the event's own fields hide properties that are called like them."""
    value = _fitting(event.value)
    return {
        **event.properties,
        "event": event.name,
        "value": None if value is None else float(value),
        "currency": event.currency,
    }


def _converted(definition: ConversionDefinition, event: NewEvent) -> Converted:
    currency = event.currency
    if definition.fixed_value is not None:
        value: Decimal | None = definition.fixed_value
    elif definition.value_property is not None:
        value = _number(event.properties.get(definition.value_property))
    else:
        value = _fitting(event.value)
    if value is None:
        currency = None
    elif definition.currency is not None:
        currency = definition.currency
    return Converted(definition_id=definition.id, value=value, currency=currency)


def _number(property_value: JsonValue) -> Decimal | None:
    """Whatever a caller sent that is no number is no value."""
    return _fitting(Decimal(repr(property_value))) if is_number(property_value) else None


def _fitting(amount: Decimal | None) -> Decimal | None:
    """As the column holds it; what does not fit must not cost us the event."""
    if amount is None or not amount.is_finite() or abs(amount) > MOST:
        return None
    return to_cents(amount)
