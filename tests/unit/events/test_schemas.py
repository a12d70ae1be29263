"""From body to event."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hogsend.events.schemas import EventBody, to_new_event


def event_of(*, is_publishable: bool = False, **body: Any) -> Any:
    model = EventBody.model_validate({"name": "n"} | body)
    return to_new_event(model, is_publishable=is_publishable, idempotency_key=None)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.1, "0.1"),
        (19.99, "19.99"),
        (-5, "-5.0"),
        (1e-7, "1E-7"),
        (999_999_999_999.99, "999999999999.99"),
    ],
)
def test_money_keeps_the_digits_that_were_sent(value: float, kept: str) -> None:
    assert event_of(userId="u", value=value).value == Decimal(kept)


@pytest.mark.parametrize(
    ("body", "may_create"),
    [
        ({"anonymousId": "a"}, False),
        ({"anonymousId": "a", "value": 0}, True),
        ({"anonymousId": "a", "groups": {}}, True),
        ({"userId": "u"}, True),
        ({"userId": "u", "anonymousId": "a"}, True),
    ],
)
def test_page_observes_unless_it_names_somebody_or_asserts(
    body: dict[str, Any], may_create: bool
) -> None:
    event = event_of(is_publishable=True, **body)

    assert event.may_create is may_create
    assert event.anonymous_only is ("userId" not in body)
    assert event.source == "inapp"


def test_server_may_always_create() -> None:
    event = event_of(userId="u", anonymousId="a")

    assert (event.may_create, event.anonymous_only, event.source) == (True, False, "api")


def test_currency_is_upper_case_and_needs_a_value() -> None:
    assert event_of(userId="u", currency="eur").currency is None
    assert event_of(userId="u", currency="eur", value=1).currency == "EUR"


def test_ids_are_trimmed_and_addresses_normal() -> None:
    event = event_of(userId=" u ", email=" Ada@Example.COM", anonymousId="\ta ")

    assert (event.external_id, event.email, event.anonymous_id) == ("u", "ada@example.com", "a")
