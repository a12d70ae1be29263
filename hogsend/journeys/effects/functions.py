"""Connectors made of plain functions: what ``app.connector`` declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from hogsend.journeys.effects.connector import ConnectorCall
from hogsend.kernel.wire_json import JsonValue

Action: TypeAlias = Callable[[ConnectorCall], JsonValue]
"""Does one thing and answers JSON, which is recorded. Runs on a thread; raises when it failed."""


@dataclass(frozen=True, slots=True)
class FunctionConnector:
    """A connector whose actions are functions, by name."""

    functions: Mapping[str, Action]

    @property
    def actions(self) -> frozenset[str]:
        """The names of the functions."""
        return frozenset(self.functions)

    def call(self, call: ConnectorCall) -> JsonValue:
        """Whatever the function answers."""
        return self.functions[call.action](call)


def check_connector(name: object, functions: Mapping[str, object]) -> list[str]:
    """What is wrong with a declaration."""
    problems: list[str] = []
    if not isinstance(name, str) or not name.strip():
        problems.append("needs a name")
    if not functions:
        problems.append("needs actions: app.connector('chat', post=post_to_chat)")
    for action, function in functions.items():
        if not callable(function):
            problems.append(f"{action} must be a function, not {type(function).__name__}")
        elif inspect.iscoroutinefunction(function):
            problems.append(f"{action} must be a plain function: it runs on a thread of its own")
    return problems
