"""Declares one engine task per journey."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Item
from hogsend.journeys.registry import JourneyRegistry
from hogsend.journeys.runtime.advance import Advance
from hogsend.journeys.topic import task_name
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.orchestrator.port import Concurrency, Run, Task, TaskHandler, WhenBusy

EXECUTION_TIMEOUT = timedelta(minutes=15)
"""Of one batch; a run never waits, so only slow providers and slow journey code take time."""


RECONCILE_TASK = "journey-states-reconcile"


def reconcile_task(run: Callable[[], Awaitable[None]]) -> Task:
    """Every quarter of an hour, one at a time: repair enrollments that no row would move again."""

    async def handle(_: Run) -> JsonObject | None:
        await run()
        return None

    return Task(
        name=RECONCILE_TASK,
        handler=handle,
        cron="*/15 * * * *",
        execution_timeout=timedelta(minutes=2),
        schedule_timeout=timedelta(minutes=4),
        concurrency=Concurrency(max_runs=1, when_busy=WhenBusy.DROP),
    )


def journey_tasks(registry: JourneyRegistry, advance: Advance) -> list[Task]:
    """One task per journey. The engine never retries: leases and attempts are ours."""
    found = [registry.find(journey_id) for journey_id in registry.ids]
    return [
        Task(
            name=task_name(definition.meta.id),
            handler=_handler(definition, advance),
            execution_timeout=EXECUTION_TIMEOUT,
            retries=0,
        )
        for definition in found
        if definition is not None
    ]


def _handler(definition: JourneyDefinition, advance: Advance) -> TaskHandler:
    async def handle(run: Run) -> JsonObject | None:
        outcomes = await advance.run(definition, read_items(run.input.get("items")))
        return {**outcomes}

    return handle


def read_items(value: JsonValue) -> Sequence[Item]:
    """The enrollments of a run's input; what is no item is left out."""
    items: list[Item] = []
    for entry in value if isinstance(value, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("outbox"), int | float):
            continue
        state, event = entry.get("state"), entry.get("event")
        items.append(
            Item(
                outbox_id=int(entry["outbox"]),  # type: ignore[arg-type]  # checked above
                state_id=UUID(state) if isinstance(state, str) else None,
                event_id=UUID(event) if isinstance(event, str) else None,
            )
        )
    return items
