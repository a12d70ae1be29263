"""Connectors for tests: what they are told is remembered, what they answer is up to the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hogsend.journeys.effects.connector import Connector, ConnectorCall
from hogsend.kernel.wire_json import JsonValue

Action = Callable[[Mapping[str, JsonValue]], JsonValue]


class FakeConnector:
    """``FakeConnector(post_message=lambda args: {"ts": "1"})``; ``calls`` holds what was asked."""

    def __init__(self, **actions: Action) -> None:
        self._actions = actions
        self.calls: list[ConnectorCall] = []

    @property
    def actions(self) -> frozenset[str]:
        """The names given."""
        return frozenset(self._actions)

    def call(self, call: ConnectorCall) -> JsonValue:
        """Remember it, and answer what the test said."""
        self.calls.append(call)
        return self._actions[call.action](call.args)


class SilentConnector:
    """Has the actions of a real connector and does nothing: every answer is None."""

    def __init__(self, actions: frozenset[str]) -> None:
        self.actions = actions

    def call(self, call: ConnectorCall) -> JsonValue:
        """Nothing happens."""
        return None


class RecordedConnector:
    """Does each keyed action once, as a connector must; ``on_call`` is told of each."""

    def __init__(self, inner: Connector, on_call: Callable[[ConnectorCall], None]) -> None:
        self._inner = inner
        self._on_call = on_call
        self.results: dict[str, JsonValue] = {}

    @property
    def actions(self) -> frozenset[str]:
        """Those of the connector inside."""
        return self._inner.actions

    def call(self, call: ConnectorCall) -> JsonValue:
        """The first answer to a key is the answer for ever."""
        if call.key not in self.results:
            self._on_call(call)
            self.results[call.key] = self._inner.call(call)
        return self.results[call.key]
