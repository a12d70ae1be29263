from __future__ import annotations

from hogsend.email.gates import GATES, GateInput, applicable_gates


def reasons(
    *,
    to: str = "ada@example.com",
    is_test: bool = False,
    inbox: str | None = None,
    skip: bool = False,
) -> list[object]:
    given = GateInput(to=to, is_test=is_test, test_inbox=inbox, skip_preference_check=skip)
    return [gate["reason"] for gate in applicable_gates(given) if isinstance(gate, dict)]


def test_gates_order_is_frozen() -> None:
    assert [gate.reason for gate in GATES] == [
        "invalid_address",
        "suppressed",
        "unsubscribed",
        "category_unsubscribed",
        "test_mode_blocked",
    ]


def test_gates_ordinary_mail_asks_only_for_consent() -> None:
    assert reasons() == ["suppressed", "unsubscribed", "category_unsubscribed"]


def test_gates_bad_address_comes_first() -> None:
    assert reasons(to="not an address")[0] == "invalid_address"


def test_gates_skipped_preferences_leave_test_mode_standing() -> None:
    assert reasons(skip=True) == []
    assert reasons(skip=True, is_test=True) == ["test_mode_blocked"]


def test_gates_test_mode_with_inbox_does_not_block() -> None:
    assert "test_mode_blocked" not in reasons(is_test=True, inbox="me@example.com")
