"""Stored conditions are read strictly, and every problem says where it is."""

from __future__ import annotations

import pytest

from hogsend.conditions import EventCondition, from_json, list_from_json, to_json
from hogsend.conditions.model import MAX_DEPTH
from hogsend.errors import InvalidInput

_EQ = {"type": "property", "property": "x", "operator": "eq", "value": 1}


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ("x", "$ must be an object"),
        ({}, "$.type must be one of"),
        ({"type": ["property"]}, "$.type must be one of"),
        ({**_EQ, "typo": 1}, "$ has unknown keys: typo"),
        ({**_EQ, "operator": "like"}, "$.operator must be one of"),
        ({**_EQ, "value": [1]}, "$.value must be a string, number, boolean or null"),
        ({**_EQ, "property": ""}, "$.property must be a non-empty string"),
        ({**_EQ, "operator": "gt", "value": "1"}, "$: property 'x' can only be ordered"),
        ({"type": "composite", "operator": "and", "conditions": []}, "$: an 'and' of no"),
        ({"type": "composite", "operator": "xor", "conditions": [_EQ]}, "$.operator"),
        ({"type": "composite", "operator": "or", "conditions": _EQ}, "$.conditions must be a list"),
        (
            {"type": "composite", "operator": "or", "conditions": [_EQ, {**_EQ, "value": {}}]},
            "$.conditions[1].value must be",
        ),
        ({"type": "not", "condition": {**_EQ, "a": 1}}, "$.condition has unknown keys: a"),
        ({"type": "not"}, "$.condition must be an object"),
        ({"type": "event", "eventName": "e", "check": "often"}, "$.check must be one of"),
        ({"type": "event", "eventName": "e", "check": "count", "operator": "gte"}, "$: a count"),
        (
            {"type": "event", "eventName": "e", "check": "exists", "within": {"days": 7}},
            "$: unknown duration key 'days'",
        ),
        (
            {"type": "event", "eventName": "e", "check": "exists", "within": {}},
            "$.within must be an object",
        ),
        (
            {"type": "event", "eventName": "e", "check": "exists", "within": {"hours": 0}},
            "$: within of 'e' must be longer than zero",
        ),
        ({"type": "email_engagement", "check": "opened"}, "$.templateKey"),
    ],
)
def test_stored_condition_with_a_mistake_is_refused_with_its_path(
    stored: object, problem: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_json(stored)

    assert refused.value.message.startswith(problem)


def test_stored_count_without_operator_is_kept_as_it_is() -> None:
    stored = {"type": "event", "eventName": "e", "check": "count"}

    condition = from_json(stored)

    assert condition == EventCondition(event_name="e", check="count")
    assert to_json(condition) == stored


def test_stored_exists_with_a_value_loses_it() -> None:
    condition = from_json({**_EQ, "operator": "exists"})

    assert to_json(condition) == {"type": "property", "property": "x", "operator": "exists"}


def test_stored_condition_nested_too_deep_is_refused() -> None:
    stored: dict[str, object] = dict(_EQ)
    for _ in range(MAX_DEPTH - 1):
        stored = {"type": "not", "condition": stored}

    from_json(stored)
    with pytest.raises(InvalidInput, match="nested"):
        from_json({"type": "not", "condition": stored})


def test_list_of_conditions_names_the_index_of_a_mistake() -> None:
    assert len(list_from_json([_EQ, _EQ])) == 2
    with pytest.raises(InvalidInput, match=r"^\$\[1\]\.type"):
        list_from_json([_EQ, {}])
    with pytest.raises(InvalidInput, match="must be a list"):
        list_from_json(_EQ)
