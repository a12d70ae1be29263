"""Actions of connectors (chat, CRM), reached through a port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hogsend.journeys.effects.keys import site_of, step_key
from hogsend.journeys.models import Enrollment
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

    async def call(
        self,
        action: str,
        args: Mapping[str, JsonValue] | None = None,
        *,
        label: str | None = None,
    ) -> JsonValue:
        """Do one action, at most once per place; answers what the connector answered.

        Raises JourneyError for a connector or action that does not exist.
        """
        passage = self._passage
        passage.enter("ctx.connector")
        what = f"{self._name}:{action}"
        site = site_of(passage, label, what)
        key = step_key(passage, "connector", site, what)
        step = passage.find(key)
        if step is None:
            step = passage.keep(key, "connector", await self._do(action, args, site))
            passage.log("connector", f"connector:{what}")
        return step.value

    async def _do(self, action: str, args: Mapping[str, JsonValue] | None, site: str) -> JsonValue:
        passage = self._passage
        connector = passage.services.connectors.get(self._name)
        if connector is None:
            known = ", ".join(sorted(passage.services.connectors)) or "none"
            raise JourneyError(
                f"there is no connector {self._name!r}", hint=f"configured here: {known}"
            )
        if action not in connector.actions:
            raise JourneyError(
                f"connector {self._name!r} has no action {action!r}",
                hint=f"it has: {', '.join(sorted(connector.actions))}",
            )
        values: JsonObject = dict(args or {})
        call = ConnectorCall(
            action=action,
            args=values,
            key=f"journeyConnector:{passage.enrollment.id}:{site}:{self._name}:{action}",
            enrollment=passage.enrollment,
        )
        await passage.persist()
        return await passage.services.offload.effect(connector.call, call)
