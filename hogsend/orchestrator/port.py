"""What the slices see of the engine that runs work: submit runs, declare tasks, serve them.

Timers, waits, leases and retries of single enrolments live above this port, so an
implementation only has to carry runs to workers at least once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Protocol

from hogsend.errors import HogsendError
from hogsend.kernel.wire_json import JsonObject


class Priority(IntEnum):
    """Order among queued runs; higher runs first."""

    LOW = 1
    NORMAL = 2
    HIGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run of one task.

    ``input`` is a JSON object; ``metadata`` are short strings for the engine's dashboard.
    """

    task: str
    input: JsonObject
    priority: Priority = Priority.NORMAL
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at a run as a handler sees it; ``attempt`` starts at 1."""

    task: str
    input: JsonObject
    run_id: str
    attempt: int
    metadata: Mapping[str, str]


TaskHandler = Callable[[Run], Awaitable[JsonObject | None]]


class WhenBusy(StrEnum):
    """What happens to a run whose concurrency key is full."""

    QUEUE = "queue"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """At most ``max_runs`` runs at once that share a key.

    ``input_field`` names the input field whose value is the key; None makes all runs of
    the task share one key.
    """

    max_runs: int
    input_field: str | None = None
    when_busy: WhenBusy = WhenBusy.QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A kind of work, declared without any engine's types.

    ``handler`` must be idempotent (delivery is at least once). ``cron`` has five fields, UTC.
    A failed attempt is repeated ``retries`` times after ``backoff_factor ** n`` seconds, at
    most ``backoff_max``.
    """

    name: str
    handler: TaskHandler
    execution_timeout: timedelta
    schedule_timeout: timedelta = timedelta(minutes=15)
    retries: int = 0
    backoff_factor: float = 2.0
    backoff_max: timedelta = timedelta(seconds=30)
    cron: str | None = None
    concurrency: Concurrency | None = None


class OrchestratorUnavailable(HogsendError):
    """The engine did not answer; nothing, or an unknown part, was accepted. Submit again."""

    default_code = "orchestrator_unavailable"


class RunRefused(HogsendError):
    """The engine will never accept one of the submitted runs; ``index`` is its position.

    No run of the call was accepted.
    """

    default_code = "run_refused"

    def __init__(self, message: str, *, index: int) -> None:
        super().__init__(message)
        self.index = index


class Submitter(Protocol):
    """The sending half of an engine; safe to call from several threads."""

    def submit(self, runs: Sequence[RunRequest]) -> None:
        """Hand over runs in bulk, in order.

        Raises OrchestratorUnavailable (try later) or RunRefused (one run is poison). An engine
        may accept a run of a task that no worker ever declared and drop it; whoever promised
        the work submits it again until somebody takes it.
        """
        ...


class ServeEnd(StrEnum):
    """Why ``serve`` returned."""

    STOPPED = "stopped"  # asked to stop; running tasks were drained
    FORCED = "forced"  # asked to stop; the drain deadline passed
    ENGINE_LOST = "engine_lost"  # the engine was unreachable for too long


@dataclass(slots=True, kw_only=True)
class ServeHooks:
    """Called by ``serve``: ``on_ready`` once when runs can arrive, ``on_stopping`` once when a
    stop signal arrived and before running tasks are drained."""

    on_ready: Callable[[], None]
    on_stopping: Callable[[], None]


class Orchestrator(Submitter, Protocol):
    """One engine: ``local`` or ``hatchet``."""

    @property
    def name(self) -> str:
        """``local`` or ``hatchet``."""
        ...

    @property
    def address(self) -> str:
        """Where the engine is, for logs; ``local`` for the embedded one."""
        ...

    def serve(self, tasks: Sequence[Task], hooks: ServeHooks) -> ServeEnd:
        """Run tasks until asked to stop; blocks, main thread only.

        Handlers are awaited on an event loop that belongs to the orchestrator. Raises
        OrchestratorUnavailable when the engine cannot be reached at start.
        """
        ...

    def request_stop(self) -> None:
        """Make ``serve`` return after draining; safe from any thread and from signal handlers."""
        ...

    def is_healthy(self) -> bool:
        """True while runs can arrive (used by the watchdog and the heartbeat)."""
        ...

    def close(self) -> None:
        """Release connections; idempotent."""
        ...
