"""Strategies for hypothesis: histories that have something to do with a journey.

``@given(history=histories(first_week))`` draws what one person does: the trigger first, then a
mix of the events the journey waits for, exits on or asks about, and of its own trigger.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from hogsend.conditions import Condition, PropertyCondition, leaves
from hogsend.conditions.model import MISSING
from hogsend.journeys.meta import JourneyDefinition
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.testing.lookup import find_app
from hogsend.testing.people import Deed

if TYPE_CHECKING:
    from hogsend.app import App

_ASKING = frozenset({"wait_for", "digest", "has_event"})
_ORDINARY: tuple[JsonValue, ...] = (None, True, False, 0, 1, -1, 0.5, 100, "", "a", "other")


def histories(
    journey: Callable[..., Any] | str,
    *,
    app: App | None = None,
    longest_gap: timedelta = timedelta(days=30),
    most_deeds: int = 8,
    also: Iterable[str] = (),
) -> st.SearchStrategy[tuple[Deed, ...]]:
    """What one person does, beginning with a trigger that matches or nearly does.

    Events are found in the declaration and, where they are written out, in the function; ``also``
    adds more. Gaps are up to ``longest_gap`` and often zero or just around a whole day.
    """
    found, journey_id = find_app(journey, app)
    definition = found.journeys[journey_id]
    values = _values(definition)
    names = sorted({*_events(definition), *also})
    trigger = definition.meta.trigger
    first = st.builds(
        Deed, event=st.just(trigger.event), properties=_properties(values, trigger.where)
    )
    rest = st.builds(
        Deed,
        event=st.sampled_from(names),
        properties=_properties(values, ()),
        after=_gaps(longest_gap),
    )
    return st.tuples(first, st.lists(rest, max_size=most_deeds - 1)).map(lambda d: (d[0], *d[1]))


def _gaps(longest: timedelta) -> st.SearchStrategy[timedelta]:
    days = st.integers(0, max(longest.days, 0)).map(lambda n: timedelta(days=n))
    nudges = st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(seconds=-1)])
    near_days = st.builds(lambda day, nudge: max(day + nudge, timedelta(0)), days, nudges)
    return st.one_of(st.just(timedelta(0)), near_days, st.timedeltas(timedelta(0), longest))


def _properties(
    values: dict[str, list[JsonValue]], where: Iterable[Condition]
) -> st.SearchStrategy[JsonObject]:
    """Bags over the names that matter, half of them with what ``where`` wants to see."""
    wanted: JsonObject = {}
    for condition in where:
        for leaf in leaves(condition):
            if isinstance(leaf, PropertyCondition) and leaf.value is not MISSING:
                wanted[leaf.property] = leaf.value
    free = st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(choices) for name, choices in values.items()}
    )
    return free | free.map(lambda bag: {**bag, **wanted})


def _values(definition: JourneyDefinition) -> dict[str, list[JsonValue]]:
    """For each property the declaration names: the values it compares with, and ordinary ones."""
    found: dict[str, list[JsonValue]] = {}
    for pattern in (definition.meta.trigger, *definition.meta.exit_on):
        for condition in pattern.where:
            for leaf in leaves(condition):
                if isinstance(leaf, PropertyCondition):
                    choices = found.setdefault(leaf.property, list(_ORDINARY))
                    if leaf.value is not MISSING:
                        choices.insert(0, leaf.value)
    for name in _names_in(definition, {"prop", "get"}):
        found.setdefault(name, list(_ORDINARY))
    return found


def _events(definition: JourneyDefinition) -> set[str]:
    meta = definition.meta
    declared = {meta.trigger.event, *(pattern.event for pattern in meta.exit_on)}
    return declared | _names_in(definition, _ASKING)


def _names_in(definition: JourneyDefinition, functions: Iterable[str]) -> set[str]:
    """The first arguments, written out as text, of every call of these functions."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(definition.run)))
    except (OSError, TypeError, SyntaxError):
        return set()
    return {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and _called(call) in functions
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
