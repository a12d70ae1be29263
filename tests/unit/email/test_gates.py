from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hogsend.email.gates import GATES, GateInput, applicable_gates
from hogsend.email.models import SendRequest
from hogsend.email.policy import Cap, FrequencyCaps, SendPolicy
from hogsend.kernel.wire_json import JsonObject

DAY = timedelta(days=1)
CAPPED = SendPolicy(
    caps=FrequencyCaps(
        overall=Cap(count=3, window=7 * DAY), by_category={"news": Cap(count=1, window=DAY)}
    )
)
REQUEST = SendRequest(template="t", to="ada@example.com")
PLAIN = GateInput(request=REQUEST, person="ada@example.com", category=None, policy=SendPolicy())
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def gates(given: GateInput) -> dict[str, JsonObject]:
    found = [gate for gate in applicable_gates(given) if isinstance(gate, dict)]
    return {str(gate["reason"]): gate for gate in found}


def test_gates_order_is_frozen() -> None:
    assert [(gate.reason, gate.effect) for gate in GATES] == [
        ("invalid_address", "failed"),
        ("suppressed", "suppressed"),
        ("unsubscribed", "suppressed"),
        ("category_unsubscribed", "suppressed"),
        ("control_group", "skipped"),
        ("frequency_capped", "skipped"),
        ("journey_suppressed", "skipped"),
        ("test_mode_blocked", "suppressed"),
        ("send_window", "deferred"),
        ("rate_limited", "deferred"),
    ]


def test_gates_ordinary_mail_asks_only_for_consent() -> None:
    assert list(gates(replace(PLAIN, category="news"))) == [
        "suppressed",
        "unsubscribed",
        "category_unsubscribed",
    ]


def test_gates_bad_address_comes_first() -> None:
    assert next(iter(gates(replace(PLAIN, person="not an address")))) == "invalid_address"


def test_gates_transactional_mail_is_stopped_by_suppression_only() -> None:
    policy = replace(CAPPED, control_percent=15.0)
    request = replace(REQUEST, category="transactional")

    assert list(
        gates(replace(PLAIN, request=request, category="transactional", policy=policy))
    ) == ["suppressed"]


def test_gates_everything_that_can_stop_a_mail_keeps_the_order() -> None:
    everybody = SendPolicy(caps=CAPPED.caps, control_percent=15.0)
    key = next(f"u{n}" for n in range(1000) if everybody.in_control_group(f"u{n}"))
    request = replace(REQUEST, user_id=key, journey_id="j", min_gap=DAY)

    found = gates(
        GateInput(
            request=request,
            person="nobody",
            category="news",
            policy=everybody,
            is_test=True,
            window_opens_at=LATER,
            rate_allows_at=LATER,
        )
    )

    assert list(found) == [gate.reason for gate in GATES]


def test_gates_skipped_preferences_leave_test_mode_and_rate_standing() -> None:
    request = replace(REQUEST, skip_preference_check=True, journey_id="j", min_gap=DAY)
    given = replace(PLAIN, request=request, category="news", policy=CAPPED)

    assert gates(given) == {}
    assert list(gates(replace(given, is_test=True, rate_allows_at=LATER))) == [
        "test_mode_blocked",
        "rate_limited",
    ]


def test_gates_test_mode_with_inbox_does_not_block() -> None:
    given = replace(PLAIN, is_test=True, test_inbox="me@example.com")

    assert "test_mode_blocked" not in gates(given)


@pytest.mark.parametrize(
    ("callers", "templates", "count", "counted"),
    [
        (None, "news", 3, None),  # a template's category never changes who is capped
        ("news", None, 1, "news"),
        ("other", "news", 3, None),
        ("transactional", "news", None, None),
        (None, "receipts", 3, None),
    ],
)
def test_gates_frequency_cap_uses_the_callers_category(
    callers: str | None, templates: str | None, count: int | None, counted: str | None
) -> None:
    request = replace(REQUEST, category=callers)

    found = gates(
        replace(PLAIN, request=request, category=callers or templates, policy=CAPPED)
    ).get("frequency_capped")

    assert (found and found["count"], found and found["category"]) == (count, counted)


def test_gates_opt_in_list_says_so_to_the_database() -> None:
    policy = SendPolicy(is_opt_in=lambda category: category == "news")

    assert gates(replace(PLAIN, category="news", policy=policy))["category_unsubscribed"]["opt_in"]
    assert not gates(replace(PLAIN, category="x", policy=policy))["category_unsubscribed"]["opt_in"]
