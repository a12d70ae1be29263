"""Random conditions and random bags that often have something to do with each other."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from hogsend.conditions import (
    Composite,
    Condition,
    EmailCondition,
    EventCondition,
    Not,
    PropertyCondition,
)
from hogsend.conditions.model import MISSING
from hogsend.kernel.wire_json import JsonObject, JsonValue

# PostgreSQL stores no NUL and UTF-8 no surrogates; both are refused long before a condition.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6)
NAMES = st.sampled_from(["a", "b", "ключ", "a.b", "'; --", ":c0", '"', "\\", " "])
NUMBERS = st.one_of(
    st.integers(-2, 2),
    st.sampled_from([0.0, -0.0, 1.0, 0.1, 1e23, 10**23, 2**53, 2**53 + 1, float(2**53), 1e-320]),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.sampled_from(["", "a", "ab", "1", "true", "ключ"]), TEXTS
)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=3),
    max_leaves=5,
)
BAGS: st.SearchStrategy[JsonObject] = st.dictionaries(NAMES, VALUES, max_size=5)

_EQUALITIES = st.builds(
    PropertyCondition,
    property=NAMES,
    operator=st.sampled_from(["eq", "neq"]),
    value=st.one_of(SCALARS, st.just(MISSING)),
)
_ORDERINGS = st.builds(
    PropertyCondition,
    property=NAMES,
    operator=st.sampled_from(["gt", "gte", "lt", "lte"]),
    value=NUMBERS,
)
_EXISTENCES = st.builds(
    PropertyCondition, property=NAMES, operator=st.sampled_from(["exists", "not_exists"])
)
_TEXT_TESTS = st.builds(
    PropertyCondition,
    property=NAMES,
    operator=st.just("contains"),
    value=st.sampled_from(["", "a", "b", "B", "л"]) | TEXTS,
)
PROPERTY_CONDITIONS = st.one_of(_EQUALITIES, _ORDERINGS, _EXISTENCES, _TEXT_TESTS)

EVENT_NAMES = st.sampled_from(["seen", "bought"])
WINDOWS = st.sampled_from([timedelta(seconds=1), timedelta(hours=1), timedelta(days=7)])
EVENT_CONDITIONS = st.one_of(
    st.builds(
        EventCondition,
        event_name=EVENT_NAMES,
        check=st.sampled_from(["exists", "not_exists", "count"]),
        within=st.none() | WINDOWS,
    ),
    st.builds(
        EventCondition,
        event_name=EVENT_NAMES,
        check=st.just("count"),
        operator=st.sampled_from(["gt", "gte", "lt", "lte", "eq"]),
        value=st.integers(0, 4) | st.just(10**30),
        within=st.none() | WINDOWS,
    ),
)
TEMPLATES = st.sampled_from(["welcome", "nudge"])
EMAIL_CONDITIONS = st.builds(
    EmailCondition,
    template_key=TEMPLATES,
    check=st.sampled_from(["opened", "clicked", "not_opened", "not_clicked"]),
)


def combined(leaves: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """Leaves under any mix of and, or and not."""
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(Not, condition=inner)
            | st.builds(
                Composite,
                operator=st.sampled_from(["and", "or"]),
                conditions=st.lists(inner, min_size=1, max_size=3).map(tuple),
            )
        ),
        max_leaves=6,
    )
