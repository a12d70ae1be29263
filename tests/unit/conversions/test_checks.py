from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hogsend import on, prop
from hogsend.conversions.checks import check_fields
from hogsend.conversions.definitions import ConversionDefinition

GOOD: dict[str, Any] = {"id": "paid", "trigger": on("order.completed")}


def problems_of(**fields: Any) -> str:
    found = check_fields({**GOOD, **fields})
    return "\n".join(found) if isinstance(found, list) else ""


def checked(**fields: Any) -> ConversionDefinition:
    found = check_fields({**GOOD, **fields})
    assert isinstance(found, ConversionDefinition), found
    return found


def test_declaration_has_the_defaults_of_the_contract() -> None:
    found = checked()

    assert (found.name, found.sources, found.fixed_value, found.value_property) == (
        None, None, None, None,
    )  # fmt: skip
    assert (found.attribution_window, found.windows) == (timedelta(days=90), {})
    assert not found.takes_source("inapp")
    assert found.takes_source("api")


def test_named_sources_are_the_only_ones() -> None:
    found = checked(sources=["inapp", "stripe"])

    assert [found.takes_source(s) for s in ("inapp", "stripe", "api")] == [True, True, False]


@pytest.mark.parametrize(
    ("value", "fixed", "name"),
    [
        (49, Decimal(49), None),
        (19.99, Decimal("19.99"), None),
        (Decimal("0.50"), Decimal("0.50"), None),
        (0, Decimal(0), None),
        (prop("total"), None, "total"),
    ],
)
def test_value_is_a_number_or_a_property(value: Any, fixed: Decimal | None, name: str) -> None:
    found = checked(value=value, currency="EUR")

    assert (found.fixed_value, found.value_property, found.currency) == (fixed, name, "EUR")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id": None}, "id is missing"),
        ({"id": " "}, "id must be a text"),
        ({"id": "a b"}, "id must begin with"),
        ({"id": "x" * 101}, "id must begin with"),
        ({"id": "Revenue"}, "id must be 'revenue' to replace"),
        ({"name": ""}, "name must be a text"),
        ({"trigger": None}, "trigger is missing"),
        ({"trigger": "order.completed"}, "trigger must be on("),
        ({"sources": "api"}, "sources must be a list"),
        ({"sources": []}, "sources is empty"),
        ({"sources": ["api", 1]}, "every entry of sources"),
        ({"value": True}, "value must be a number"),
        ({"value": "total"}, "value must be a number"),
        ({"value": -1}, "value must be between 0"),
        ({"value": 0.001}, "two decimals at most"),
        ({"value": float("nan")}, "value must be between 0"),
        ({"value": 10**5000}, "value must be between 0"),
        ({"currency": "EUR"}, "currency needs a value"),
        ({"value": 1, "currency": "eur"}, "three capital letters"),
        ({"value": 1, "currency": 978}, "three capital letters"),
        ({"attribution_window": 90}, "attribution_window must be a timedelta"),
        ({"attribution_window": timedelta(0)}, "longer than zero"),
        ({"attribution_window": timedelta(days=366)}, "at most 365 days"),
        ({"windows": ["email"]}, "windows must be a dict"),
        ({"windows": {"mail": timedelta(days=1)}}, "'mail', which is no channel (did you mean 'e"),
        ({"windows": {"email": 7}}, "the window of 'email' must be a timedelta"),
        ({"attributionWindow": 1}, "unknown field 'attributionWindow' (did you mean 'attribution_"),
        ({"destinations": []}, "unknown field 'destinations'"),
    ],
)
def test_wrong_declaration_is_refused_with_the_reason(fields: dict[str, Any], problem: str) -> None:
    assert problem in problems_of(**fields)


def test_every_problem_is_reported() -> None:
    found = check_fields({"id": "", "value": "x", "windows": 1})

    assert isinstance(found, list)
    assert len(found) == 4
