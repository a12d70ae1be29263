from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogsend import App, on, prop
from hogsend.conversions.registry import ConversionRegistry
from hogsend.events.matching import Converted
from hogsend.events.models import NewEvent


def registry(*, default_revenue: bool = False, **conversions: dict[str, Any]) -> ConversionRegistry:
    app = App("shop")
    for id, fields in conversions.items():
        app.conversion(id=id, **fields)
    assert app.problems == ()
    return ConversionRegistry(app.conversions, default_revenue=default_revenue)


def event(name: str = "order.completed", **fields: Any) -> NewEvent:
    return NewEvent(name=name, external_id="u", **fields)


def ids(found: tuple[Converted, ...]) -> list[str]:
    return [each.definition_id for each in found]


REVENUE = ConversionRegistry([])


@pytest.mark.parametrize(
    ("fields", "converts"),
    [
        ({"value": Decimal("0.01")}, True),
        ({"value": Decimal("0.005")}, True),  # stored as 0.01
        ({"value": Decimal("0.004")}, False),  # stored as 0.00
        ({"value": Decimal(0)}, False),
        ({"value": Decimal(-5)}, False),
        ({}, False),
        ({"properties": {"value": 5}}, False),
        ({"value": Decimal(5), "properties": {"value": 0, "event": "x"}}, True),
        ({"value": Decimal(5), "source": "inapp"}, False),
        ({"value": Decimal(5), "source": "journey"}, True),
        ({"name": "funnel.stage_changed", "value": Decimal(5)}, False),
        ({"name": "deal.quoted", "value": Decimal(5)}, False),
        ({"name": "deal.sold", "value": Decimal(5)}, True),
    ],
)
def test_revenue_is_money_that_came_in(fields: dict[str, Any], converts: bool) -> None:
    assert ids(REVENUE.match(event(**fields))) == (["revenue"] if converts else [])


def test_revenue_is_worth_what_the_event_says() -> None:
    (found,) = REVENUE.match(event(value=Decimal("12.50"), currency="EUR"))

    assert (found.value, found.currency) == (Decimal("12.50"), "EUR")


def test_revenue_can_be_switched_off_or_replaced() -> None:
    own = {"trigger": on("invoice.paid"), "value": prop("net"), "currency": "USD"}
    money = event("invoice.paid", value=Decimal(119), currency="USD", properties={"net": 100})

    assert ConversionRegistry([], default_revenue=False).match(money) == ()
    for default_revenue in (True, False):
        replaced = registry(default_revenue=default_revenue, revenue=own)
        assert replaced.ids == ("revenue",)
        assert replaced.match(event(value=Decimal(5))) == ()
        assert replaced.match(money) == (
            Converted(definition_id="revenue", value=Decimal("100.00"), currency="USD"),
        )


def test_event_counts_for_every_conversion_that_names_it_and_for_wildcards() -> None:
    found = registry(
        paid={"trigger": on("order.completed")},
        large={"trigger": on("order.completed").where(prop("value") >= 100)},
        anything={"trigger": on("*").where(prop("currency") == "EUR")},
    )

    assert ids(found.match(event(value=Decimal(100), currency="EUR"))) == [
        "anything", "paid", "large",
    ]  # fmt: skip
    assert ids(found.match(event(value=Decimal("99.99"), currency="USD"))) == ["paid"]
    assert ids(found.match(event("order.created"))) == []


def test_conditions_see_all_properties_and_null_for_what_the_event_has_not() -> None:
    found = registry(
        free={"trigger": on("order.completed").where(prop("value").not_exists())},
        boxed={"trigger": on("order.completed").where(prop("plan") == "pro")},
    )

    assert ids(found.match(event(properties={"plan": "pro", "currency": "EUR"}))) == [
        "free", "boxed",
    ]  # fmt: skip
    assert ids(found.match(event(value=Decimal(1)))) == []


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (12, Decimal("12.00")),
        (12.345, Decimal("12.35")),
        (-3, Decimal("-3.00")),
        (True, None),
        ("12", None),
        (None, None),
        ([12], None),
        (1e30, None),
        (10**18, None),
    ],
)
def test_property_is_a_value_when_it_is_a_number_that_fits(sent: Any, value: Any) -> None:
    found = registry(
        paid={"trigger": on("order.completed"), "value": prop("total"), "currency": "EUR"}
    )

    (converted,) = found.match(event(properties={"total": sent}))

    assert (converted.value, converted.currency) == (value, "EUR" if value is not None else None)


def test_fixed_value_wins_over_the_events() -> None:
    found = registry(
        lead={"trigger": on("order.completed"), "value": 40, "currency": "USD"},
        unit={"trigger": on("order.completed"), "value": 1},
    )

    converted = found.match(event(value=Decimal(7), currency="EUR"))

    assert [(c.value, c.currency) for c in converted] == [
        (Decimal(40), "USD"), (Decimal(1), "EUR"),
    ]  # fmt: skip


@given(
    properties=st.dictionaries(
        st.sampled_from(["total", "value", "event", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
        | st.lists(st.text()),
    ),
    value=st.none() | st.decimals(),
)
def test_odd_events_are_judged_without_an_error(
    properties: dict[str, Any], value: Decimal | None
) -> None:
    found = registry(
        default_revenue=True,
        paid={"trigger": on("*").where(prop("value") > 1), "value": prop("total")},
    )

    for each in found.match(event(properties=properties, value=value)):
        each.as_json()


class Sealed(Mapping[str, Any]):
    """Properties that nobody may look at."""

    def __getitem__(self, key: str) -> Any:
        raise AssertionError("read")

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("read")

    def __len__(self) -> int:
        raise AssertionError("read")


def test_event_without_a_value_is_not_looked_at_for_money() -> None:
    assert REVENUE.match(event(properties=Sealed())) == ()
    with pytest.raises(AssertionError, match="read"):
        REVENUE.match(event(properties=Sealed(), value=Decimal(1)))
