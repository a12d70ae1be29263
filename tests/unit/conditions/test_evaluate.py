"""The table of the contract, operator by operator."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hogsend.conditions import Condition, PropertyCondition, SendFacts, evaluate
from hogsend.conditions.builder import event, mail, prop
from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonObject

_NO_VALUE = PropertyCondition(property="x", operator="eq")

TABLE: list[tuple[Condition, JsonObject, bool]] = [
    (prop("x") == 1, {"x": 1}, True),
    (prop("x") == 1, {"x": 1.0}, True),
    (prop("x") == 1, {"x": True}, False),
    (prop("x") == 1, {"x": "1"}, False),
    (prop("x") == True, {"x": True}, True),  # noqa: E712  (builds a condition)
    (prop("x") == True, {"x": 1}, False),  # noqa: E712  (builds a condition)
    (prop("x") == None, {"x": None}, True),  # noqa: E711  (builds a condition)
    (prop("x") == None, {}, False),  # noqa: E711  (builds a condition)
    (prop("x") == 10**23, {"x": 1e23}, True),
    (prop("x") == 2**53 + 1, {"x": float(2**53)}, False),
    (prop("x") == "a", {"x": ["a"]}, False),
    (prop("x") != "a", {}, True),
    (prop("x") != "a", {"x": None}, True),
    (prop("x") != "a", {"x": {"a": 1}}, True),
    (prop("x") != 1, {"x": 1.0}, False),
    (_NO_VALUE, {}, True),
    (_NO_VALUE, {"x": None}, False),
    (~_NO_VALUE, {"x": None}, True),
    (prop("x") > 1, {"x": 2}, True),
    (prop("x") > 1, {"x": True}, False),
    (prop("x") > 1, {"x": "2"}, False),
    (prop("x") > 1, {"x": None}, False),
    (prop("x") > 1, {}, False),
    (prop("x") >= 1, {"x": 1.0}, True),
    (prop("x") < 1e23, {"x": 10**23}, False),
    (prop("x") <= 0.1, {"x": 0}, True),
    (~(prop("x") > 1), {}, True),
    (prop("x").contains("b"), {"x": "abc"}, True),
    (prop("x").contains("B"), {"x": "abc"}, False),
    (prop("x").contains(""), {"x": ""}, True),
    (prop("x").contains("a"), {"x": ["a"]}, False),
    (prop("x").exists(), {"x": False}, True),
    (prop("x").exists(), {"x": None}, False),
    (prop("x").not_exists(), {"x": None}, True),
    (prop("x").not_exists(), {"x": []}, False),
    (prop("x.y") == 1, {"x": {"y": 1}}, False),
    ((prop("x") == 1) & (prop("y") == 2), {"x": 1, "y": 2}, True),
    ((prop("x") == 1) & (prop("y") == 2), {"x": 1}, False),
    ((prop("x") == 1) | (prop("y") == 2), {"y": 2}, True),
    ((prop("x") == 1) | (prop("y") == 2), {}, False),
]


@pytest.mark.parametrize(("condition", "bag", "expected"), TABLE)
def test_condition_on_a_bag_gives_the_answer_of_the_contract(
    condition: Condition, bag: JsonObject, expected: bool
) -> None:
    assert evaluate(condition, bag) is expected


def test_list_of_conditions_holds_when_all_do() -> None:
    assert evaluate([], {})
    assert evaluate([prop("x") == 1, prop("y") == 2], {"x": 1, "y": 2})
    assert not evaluate([prop("x") == 1, prop("y") == 2], {"x": 1})


class _Past:
    """Three events of name e, two of them this week; one mail, opened and not clicked."""

    def count_events(self, event_name: str, within: timedelta | None) -> int:
        return 0 if event_name != "e" else 3 if within is None else 2

    def find_send(self, template_key: str) -> SendFacts | None:
        return SendFacts(is_opened=True, is_clicked=False) if template_key == "t" else None


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (event("e").exists(), True),
        (event("f").exists(), False),
        (event("f").not_exists(), True),
        (event("e").count() >= 3, True),
        (event("e").count() > 3, False),
        (event("e").count() == 3, True),
        (event("e").within(timedelta(days=7)).count() < 3, True),
        (event("f").count() <= 0, True),
        (mail("t").opened(), True),
        (mail("t").not_opened(), False),
        (mail("t").clicked(), False),
        (mail("t").not_clicked(), True),
        (mail("never").opened(), False),
        (mail("never").not_opened(), False),
        (mail("never").not_clicked(), False),
    ],
)
def test_condition_on_the_past_asks_the_history(condition: Condition, expected: bool) -> None:
    assert evaluate(condition, {}, history=_Past()) is expected


def test_condition_on_the_past_without_a_history_raises() -> None:
    with pytest.raises(InvalidInput, match="history"):
        evaluate(event("e").exists(), {})
