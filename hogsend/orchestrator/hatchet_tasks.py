"""Turns our task declarations into the SDK's; imports the SDK."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hatchet_sdk import ConcurrencyExpression, ConcurrencyLimitStrategy, Context, EmptyModel
from hatchet_sdk import Hatchet as Sdk
from hatchet_sdk.types.priority import Priority as SdkPriority

from hogsend.errors import ConfigError
from hogsend.orchestrator.cron import parse_cron
from hogsend.orchestrator.port import Concurrency, Run, Task, WhenBusy

_ENGINE_MARGIN = timedelta(seconds=5)
"""The engine's execution timeout exceeds ours, so that ours decides while both are alive."""


class RunningHandlers:
    """The handlers that run right now; event-loop only."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def add_current(self) -> None:
        """Note the running asyncio task until it ends."""
        current = asyncio.current_task()
        if current is not None:
            self._running.add(current)
            current.add_done_callback(self._running.discard)

    def cancel_all(self) -> None:
        """Cancel every handler; the engine assigns their runs again."""
        for task in list(self._running):
            task.cancel()


def declare(sdk: Sdk, tasks: Sequence[Task], running: RunningHandlers) -> list[Any]:
    """The SDK's workflows, one per task; raises ConfigError for names the engine would mix up."""
    seen: set[str] = set()
    for task in tasks:
        if task.name.lower() in seen:
            raise ConfigError(f"Two tasks are named '{task.name}' (Hatchet ignores case)")
        seen.add(task.name.lower())
        if task.cron is not None:
            parse_cron(task.cron)
    return [_declare_one(sdk, task, running) for task in tasks]


def _declare_one(sdk: Sdk, task: Task, running: RunningHandlers) -> Any:
    # The SDK evaluates these annotations, and cannot evaluate a recursive alias.
    async def run(payload: EmptyModel, ctx: Context) -> dict[str, Any] | None:
        running.add_current()
        async with asyncio.timeout(task.execution_timeout.total_seconds()):
            return await task.handler(
                Run(
                    task=task.name,
                    input=dict(payload.model_extra or {}),
                    run_id=ctx.workflow_run_id,
                    attempt=ctx.retry_count + 1,
                    metadata={k: str(v) for k, v in ctx.additional_metadata.items()},
                )
            )

    declared = sdk.task(
        name=task.name,
        input_validator=EmptyModel,
        on_crons=[task.cron] if task.cron is not None else None,
        execution_timeout=_whole_seconds(task.execution_timeout + _ENGINE_MARGIN),
        schedule_timeout=_whole_seconds(task.schedule_timeout),
        default_priority=SdkPriority.MEDIUM,
        retries=task.retries,
        backoff_factor=task.backoff_factor if task.retries else None,
        backoff_max_seconds=_seconds(task.backoff_max) if task.retries else None,
        concurrency=_concurrency(task.concurrency),
    )
    return declared(run)


def _concurrency(declared: Concurrency | None) -> ConcurrencyExpression | None:
    if declared is None:
        return None
    name = declared.input_field
    expression = "'all'" if name is None else f"has(input.{name}) ? string(input.{name}) : 'none'"
    strategy = (
        ConcurrencyLimitStrategy.CANCEL_NEWEST
        if declared.when_busy is WhenBusy.DROP
        else ConcurrencyLimitStrategy.GROUP_ROUND_ROBIN
    )
    return ConcurrencyExpression(
        expression=expression, max_runs=declared.max_runs, limit_strategy=strategy
    )


def _seconds(duration: timedelta) -> int:
    return max(1, math.ceil(duration.total_seconds()))


def _whole_seconds(duration: timedelta) -> timedelta:
    """Rounded up: the engine reads a fraction of a second as no time at all."""
    return timedelta(seconds=_seconds(duration))
