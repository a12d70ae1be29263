"""Actions of connectors (chat, CRM), reached through a port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hogsend.journeys.effects.keys import find_effect, site_of, step_key
from hogsend.journeys.models import Enrollment
from hogsend.journeys.runtime.calls import asked
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError
from hogsend.kernel.wire_json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorCall:
    """One action for one person. ``key`` is the same on every try: the connector must not do it
    twice."""

    action: str
    args: Mapping[str, JsonValue] = field(default_factory=dict)
    key: str
    enrollment: Enrollment


class Connector(Protocol):
    """Something outside that can be told to do things."""

    @property
    def actions(self) -> frozenset[str]:
        """What it can do."""
        ...

    def call(self, call: ConnectorCall) -> JsonValue:
        """Do it; blocking and thread-safe. The answer is recorded, so it must be JSON."""
        ...


class ConnectorHandle:
    """``ctx.connector("slack")``."""

    def __init__(self, passage: Passage, name: str) -> None:
        self._passage = passage
        self._name = name

    @asked("ctx.connector(...).call")
    async def call(
        self,
        action: str,
        args: Mapping[str, JsonValue] | None = None,
        *,
        label: str | None = None,
    ) -> JsonValue:
        """Do one action, at most once per place; answers what the connector answered.

        Raises JourneyError for a connector or action that does not exist, and what the connector
        raises: catch that, and it is recorded as the answer of this place.
        """
        passage = self._passage
        what = f"{self._name}:{action}"
        site = site_of(passage, label, what)
        key = step_key(passage, "connector", site, what)
        step = find_effect(passage, "connector", key, what)
        if step is None:
            connector = self._find(action)
            step = passage.keep(
                key, "connector", await self._do(connector, action, args, site, key)
            )
            passage.log("connector", f"connector:{what}")
        passage.raise_recorded(step)
        return step.value

    def _find(self, action: str) -> Connector:
        passage = self._passage
        connector = passage.services.connectors.get(self._name)
        if connector is None:
            known = ", ".join(sorted(passage.services.connectors)) or "none"
            raise JourneyError(
                f"there is no connector {self._name!r}",
                hint=f"declare it with app.connector(); known: {known}",
            )
        if action not in connector.actions:
            raise JourneyError(
                f"connector {self._name!r} has no action {action!r}",
                hint=f"it has: {', '.join(sorted(connector.actions))}",
            )
        return connector

    async def _do(
        self,
        connector: Connector,
        action: str,
        args: Mapping[str, JsonValue] | None,
        site: str,
        step: str,
    ) -> JsonValue:
        passage = self._passage
        values: JsonObject = dict(args or {})
        call = ConnectorCall(
            action=action,
            args=values,
            key=f"journeyConnector:{passage.enrollment.id}:{site}:{self._name}:{action}",
            enrollment=passage.enrollment,
        )
        await passage.persist()
        try:
            return await passage.services.offload.effect(connector.call, call)
        except Exception as error:
            passage.offer(step, error)
            raise
