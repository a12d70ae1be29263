"""How the process, its database, Redis and the workers are; cheap enough to be stormed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as ProbeTimeout
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

import structlog

from hogsend.db.schema_version import SchemaStatus, TrackStatus
from hogsend.errors import HogsendError
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import iso_z

ResultT = TypeVar("ResultT")
Status = Literal["healthy", "degraded", "migration_pending"]

API_VERSION = "0.0.1"
WINDOW_HOURS = 24
DEADLINE_SECONDS = 1.5

_COMPONENT_TTL = 1.0
_SCHEMA_TTL = 2.0
_ACTIVITY_TTL = 10.0


_UNSEEN = TrackStatus(applied=None, required=None, in_sync=True, pending=())
# What health says of the schema when nobody could look.
UNSEEN_SCHEMA = SchemaStatus(engine=_UNSEEN, client=_UNSEEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counts of the last 24 hours; None when they could not be read in time."""

    journeys_failed: int | None = None
    journeys_completed: int | None = None
    emails_failed: int | None = None
    emails_sent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """When a worker last gave a sign of life; None when none did."""

    last_seen_at: datetime | None = None


class Probes(Protocol):
    """Looks at the outside world. Each call may block or raise HogsendError."""

    def database(self) -> None:
        """Return when the database answers."""
        ...

    def redis(self) -> None:
        """Return when Redis answers."""
        ...

    def worker(self) -> WorkerSeen:
        """The youngest heartbeat."""
        ...

    def schema(self) -> SchemaStatus:
        """Both migration tracks; raises when the database is unreachable."""
        ...

    def activity(self) -> Activity:
        """Counts of the last 24 hours."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One dependency: up or down and how long it took to find out."""

    is_up: bool
    latency_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything ``GET /v1/health`` says."""

    schema: SchemaStatus
    database: Component
    redis: Component
    worker: WorkerSeen
    activity: Activity

    @property
    def status(self) -> Status:
        """``migration_pending`` wins; a dead worker changes nothing."""
        if not self.schema.in_sync:
            return "migration_pending"
        return "healthy" if self.database.is_up and self.redis.is_up else "degraded"


class _Cached(Generic[ResultT]):
    """One probe: at most one run at a time, remembered for ``ttl`` seconds."""

    def __init__(self, run: Callable[[], ResultT], *, ttl: float) -> None:
        self._run = run
        self._ttl = ttl
        self._lock = threading.Lock()
        self._future: Future[ResultT] | None = None
        self._fresh_until = 0.0

    def start(self) -> Future[ResultT]:
        """The running or remembered probe, or a new one."""
        with self._lock:
            future = self._future
            if future is not None and (not future.done() or time.monotonic() < self._fresh_until):
                return future
            future = self._future = Future()
        # A daemon: a probe that hangs must not hold up the end of the process.
        threading.Thread(target=self._measure, args=(future,), name="probe", daemon=True).start()
        return future

    def _measure(self, future: Future[ResultT]) -> None:
        try:
            result = self._run()
        except Exception as error:
            self._fresh_until = time.monotonic() + self._ttl
            future.set_exception(error)
        else:
            self._fresh_until = time.monotonic() + self._ttl
            future.set_result(result)


class Health:
    """Answers from probes that are shared by everybody who asks within a second or two.

    Every probe has 1.5 seconds; what takes longer counts as down (components), absent (worker,
    activity) or in sync (schema: a database that does not answer is not an old one).
    """

    def __init__(self, probes: Probes, *, clock: Clock, started_at: datetime) -> None:
        self._clock = clock
        self._started_at = started_at
        self._is_draining = False
        self._database = _Cached(lambda: _timed(probes.database), ttl=_COMPONENT_TTL)
        self._redis = _Cached(lambda: _timed(probes.redis), ttl=_COMPONENT_TTL)
        self._worker = _Cached(probes.worker, ttl=_COMPONENT_TTL)
        self._schema = _Cached(probes.schema, ttl=_SCHEMA_TTL)
        self._activity = _Cached(probes.activity, ttl=_ACTIVITY_TTL)

    def report(self) -> Report:
        """Ask everything at once; takes at most the deadline."""
        database, redis = self._database.start(), self._redis.start()
        worker, schema = self._worker.start(), self._schema.start()
        activity = self._activity.start()
        deadline = time.monotonic() + DEADLINE_SECONDS
        down = Component(is_up=False, latency_ms=int(DEADLINE_SECONDS * 1000))
        return Report(
            database=_wait(database, deadline, down),
            redis=_wait(redis, deadline, down),
            worker=_wait(worker, deadline, WorkerSeen()),
            schema=_wait(schema, deadline, UNSEEN_SCHEMA),
            activity=_wait(activity, deadline, Activity()),
        )

    def is_ready(self) -> bool:
        """True when requests may be sent here: database up, schema in sync, not stopping."""
        if self._is_draining:
            return False
        database, schema = self._database.start(), self._schema.start()
        deadline = time.monotonic() + DEADLINE_SECONDS
        down = Component(is_up=False, latency_ms=0)
        is_up = _wait(database, deadline, down).is_up
        return is_up and _wait(schema, deadline, UNSEEN_SCHEMA).in_sync

    def start_draining(self) -> None:
        """From now on not ready: the process is about to stop."""
        self._is_draining = True

    def body(self, report: Report) -> dict[str, Any]:
        """The closed key set of ``GET /v1/health``."""
        now = self._clock.now()
        seen = report.worker.last_seen_at
        worker: dict[str, object] = {"status": "down" if seen is None else "up"}
        if seen is not None:
            worker["lastSeenAt"] = iso_z(seen)
        activity = report.activity
        return {
            "status": report.status,
            "schema": {
                "engine": _track(report.schema.engine),
                "client": _track(report.schema.client),
            },
            "uptime": round((now - self._started_at).total_seconds(), 3),
            "timestamp": iso_z(now),
            "version": API_VERSION,
            "components": {
                "database": _component(report.database),
                "redis": _component(report.redis),
                "worker": worker,
            },
            "activity": {
                "windowHours": WINDOW_HOURS,
                "journeys": {
                    "failed": activity.journeys_failed,
                    "completed": activity.journeys_completed,
                },
                "emails": {"failed": activity.emails_failed, "sent": activity.emails_sent},
            },
        }


def _timed(probe: Callable[[], None]) -> Component:
    started = time.monotonic()
    try:
        probe()
    except HogsendError:
        return Component(is_up=False, latency_ms=int((time.monotonic() - started) * 1000))
    return Component(is_up=True, latency_ms=int((time.monotonic() - started) * 1000))


def _wait(future: Future[ResultT], deadline: float, default: ResultT) -> ResultT:
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except (ProbeTimeout, HogsendError):
        return default
    except Exception as error:  # health must answer whatever a driver comes up with
        structlog.get_logger().warning("health.probe_failed", error=repr(error))
        return default


def _component(component: Component) -> dict[str, object]:
    return {"status": "up" if component.is_up else "down", "latencyMs": component.latency_ms}


def _track(track: TrackStatus) -> dict[str, object]:
    return {
        "applied": track.applied,
        "required": track.required,
        "inSync": track.in_sync,
        "pending": list(track.pending),
    }
