"""What authors write becomes the data the API knows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta

import pytest

from hogsend.conditions import Condition, EventPattern, from_json, to_json
from hogsend.conditions.builder import event, mail, on, prop
from hogsend.errors import InvalidInput
from hogsend.kernel.hashing import sha256_hex
from hogsend.kernel.wire_json import JsonObject, JsonScalar, stable_stringify


def _property(operator: str, *value: JsonScalar) -> JsonObject:
    stored: JsonObject = {"type": "property", "property": "x", "operator": operator}
    return {**stored, "value": value[0]} if value else stored


def _count(operator: str, value: int) -> JsonObject:
    return {
        "type": "event",
        "eventName": "e",
        "check": "count",
        "operator": operator,
        "value": value,
    }


WRITTEN: list[tuple[Condition, JsonObject]] = [
    (prop("x") == "pro", _property("eq", "pro")),
    (prop("x") == None, _property("eq", None)),  # noqa: E711  (builds a condition)
    (prop("x") == True, _property("eq", True)),  # noqa: E712  (builds a condition)
    (prop("x") != 3, _property("neq", 3)),
    (prop("x") > 1, _property("gt", 1)),
    (prop("x") >= 1.5, _property("gte", 1.5)),
    (prop("x") < 2.0, _property("lt", 2)),
    (prop("x") <= -1, _property("lte", -1)),
    (1 < prop("x"), _property("gt", 1)),  # noqa: SIM300  (the reflected operator under test)
    (prop("x").contains("ab"), _property("contains", "ab")),
    (prop("x").exists(), _property("exists")),
    (prop("x").not_exists(), _property("not_exists")),
    (~prop("x").exists(), _property("not_exists")),
    (~(prop("x") == 1), _property("neq", 1)),
    (prop("x").is_in("a"), _property("eq", "a")),
    (
        prop("x").is_in("a", 2),
        {
            "type": "composite",
            "operator": "or",
            "conditions": [_property("eq", "a"), _property("eq", 2)],
        },
    ),
    (~(prop("x") > 1), {"type": "not", "condition": _property("gt", 1)}),
    (~~(prop("x") > 1), _property("gt", 1)),
    (event("e").exists(), {"type": "event", "eventName": "e", "check": "exists"}),
    (~event("e").exists(), {"type": "event", "eventName": "e", "check": "not_exists"}),
    (event("e").count() >= 3, _count("gte", 3)),
    (event("e").count() > 3, _count("gt", 3)),
    (event("e").count() <= 3, _count("lte", 3)),
    (event("e").count() < 3, _count("lt", 3)),
    (event("e").count() == 3, _count("eq", 3)),
    (event("e").count() != 3, {"type": "not", "condition": _count("eq", 3)}),
    (
        event("e").within(timedelta(days=7)).not_exists(),
        {"type": "event", "eventName": "e", "check": "not_exists", "within": {"hours": 168}},
    ),
    (
        mail("welcome").not_opened(),
        {"type": "email_engagement", "templateKey": "welcome", "check": "not_opened"},
    ),
    (
        (prop("x") == 1) & (prop("x") == 2) & prop("x").exists(),
        {
            "type": "composite",
            "operator": "and",
            "conditions": [_property("eq", 1), _property("eq", 2), _property("exists")],
        },
    ),
]


@pytest.mark.parametrize(("condition", "stored"), WRITTEN)
def test_condition_written_by_an_author_has_the_stored_form(
    condition: Condition, stored: JsonObject
) -> None:
    assert to_json(condition) == stored
    assert to_json(from_json(stored)) == stored


def test_stored_form_hashes_to_the_frozen_vector() -> None:
    stored = stable_stringify(to_json(prop("plan") == "pro"))

    assert sha256_hex(stored) == (
        "ac3d4442d5fdb740ba31377346a91a230ab0c14b2c24ef97f74eec08edad3e74"
    )


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: prop("x") == 1 and prop("y") == 2,
        lambda: prop("x") == 1 or prop("y") == 2,
        lambda: not prop("x"),
        lambda: 1 < prop("x") < 5,
        lambda: bool(event("e")),
        lambda: bool(event("e").count()),
        lambda: bool(mail("t")),
    ],
)
def test_condition_used_as_a_truth_value_raises(misuse: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="no truth value"):
        misuse()


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: prop(""),
        lambda: prop("x") == [1],
        lambda: prop("x") > "2026-01-01",  # type: ignore[operator]  # the mistake under test
        lambda: prop("x") >= True,
        lambda: prop("x") == float("nan"),
        lambda: prop("x").contains(3),  # type: ignore[arg-type]  # the mistake under test
        lambda: prop("x").is_in(),
        lambda: prop("x").is_in(["a"]),  # type: ignore[arg-type]  # the mistake under test
        lambda: event("e").within(timedelta(0)).exists(),
        lambda: event("e").count() >= -1,
        lambda: event("e").count() >= 1.5,  # type: ignore[operator]  # the mistake under test
        lambda: on(" "),
        lambda: on("e").where(),
        lambda: on("e").where(event("f").exists()),
        lambda: on("e").where(~(mail("t").opened() | (prop("x") == 1))),
        lambda: on("e").where("x > 1"),  # type: ignore[arg-type]  # the mistake under test
    ],
)
def test_condition_that_cannot_be_meant_is_refused(misuse: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        misuse()


def test_pattern_narrowed_twice_keeps_both_conditions() -> None:
    pattern = on("plan.changed").where(prop("x") == 1).where(prop("y") == 2)

    assert isinstance(pattern, EventPattern)
    assert pattern.event == "plan.changed"
    assert pattern.where == (prop("x") == 1, prop("y") == 2)
    assert on("plan.changed").where == ()


def test_pattern_copied_keeps_its_event_and_conditions() -> None:
    pattern = copy.deepcopy(on("e").where(prop("x") == 1))

    assert pattern.where.event == "e"
    assert pattern.where(prop("y") == 2).where == (prop("x") == 1, prop("y") == 2)
