"""Health from probes that answer, fail, hang or count."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from hogsend.db.errors import DatabaseUnavailable
from hogsend.db.schema_version import SchemaStatus, TrackStatus
from hogsend.kernel.clock import VirtualClock
from hogsend.ops.health import Activity, Health, WorkerSeen

_START = datetime(2026, 1, 1, tzinfo=UTC)
_IN_SYNC = TrackStatus(applied="0007_x", required="0007_x", in_sync=True, pending=())
_NONE = TrackStatus(applied=None, required=None, in_sync=True, pending=())
_BEHIND = TrackStatus(applied="0006_w", required="0007_x", in_sync=False, pending=("0007_x",))


@dataclass
class FakeProbes:
    """Answers what the test says; an Exception is raised, an Event is waited for."""

    database_answer: object = None
    redis_answer: object = None
    worker_answer: object = field(default_factory=lambda: WorkerSeen(last_seen_at=_START))
    schema_answer: object = field(
        default_factory=lambda: SchemaStatus(engine=_IN_SYNC, client=_NONE)
    )
    activity_answer: object = field(
        default_factory=lambda: Activity(
            journeys_failed=0, journeys_completed=3, emails_failed=1, emails_sent=9
        )
    )
    calls: list[str] = field(default_factory=list)

    def database(self) -> None:
        self._answer("database")

    def redis(self) -> None:
        self._answer("redis")

    def worker(self) -> WorkerSeen:
        answer = self._answer("worker")
        assert isinstance(answer, WorkerSeen)
        return answer

    def schema(self) -> SchemaStatus:
        answer = self._answer("schema")
        assert isinstance(answer, SchemaStatus)
        return answer

    def activity(self) -> Activity:
        answer = self._answer("activity")
        assert isinstance(answer, Activity)
        return answer

    def _answer(self, name: str) -> object:
        self.calls.append(name)
        answer = getattr(self, f"{name}_answer")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, threading.Event):
            answer.wait(30)
            raise DatabaseUnavailable("was hanging")
        return answer


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """What a hanging probe waits for; released at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def make(probes: FakeProbes) -> Health:
    clock = VirtualClock(_START + timedelta(seconds=12.34))
    return Health(probes, clock=clock, started_at=_START)


def test_body_has_exactly_the_documented_keys_and_values() -> None:
    health = make(FakeProbes())

    body = health.body(health.report())

    assert body["components"]["database"].pop("latencyMs") >= 0
    assert body["components"]["redis"].pop("latencyMs") >= 0
    assert body == {
        "status": "healthy",
        "schema": {
            "engine": {"applied": "0007_x", "required": "0007_x", "inSync": True, "pending": []},
            "client": {"applied": None, "required": None, "inSync": True, "pending": []},
        },
        "uptime": 12.34,
        "timestamp": "2026-01-01T00:00:12.340Z",
        "version": "0.0.1",
        "components": {
            "database": {"status": "up"},
            "redis": {"status": "up"},
            "worker": {"status": "up", "lastSeenAt": "2026-01-01T00:00:00.000Z"},
        },
        "activity": {
            "windowHours": 24,
            "journeys": {"failed": 0, "completed": 3},
            "emails": {"failed": 1, "sent": 9},
        },
    }


@pytest.mark.parametrize("track", ["engine", "client"])
def test_status_a_track_is_behind_is_migration_pending_even_when_redis_is_down(track: str) -> None:
    tracks = {"engine": _IN_SYNC, "client": _NONE} | {track: _BEHIND}
    probes = FakeProbes(
        schema_answer=SchemaStatus(engine=tracks["engine"], client=tracks["client"]),
        redis_answer=DatabaseUnavailable("down"),
    )

    assert make(probes).report().status == "migration_pending"


@pytest.mark.parametrize("component", ["database", "redis"])
def test_status_component_is_down_is_degraded(component: str) -> None:
    probes = FakeProbes()
    setattr(probes, f"{component}_answer", DatabaseUnavailable("down"))
    health = make(probes)

    report = health.report()

    assert report.status == "degraded"
    assert health.body(report)["components"][component]["status"] == "down"


def test_status_database_is_dead_is_never_migration_pending() -> None:
    down = DatabaseUnavailable("down")
    probes = FakeProbes(database_answer=down, schema_answer=down, activity_answer=down)
    health = make(probes)

    report = health.report()

    body = health.body(report)
    assert report.status == "degraded"
    assert body["schema"]["engine"] == {
        "applied": None,
        "required": None,
        "inSync": True,
        "pending": [],
    }
    assert body["activity"]["journeys"] == {"failed": None, "completed": None}
    assert body["activity"]["emails"] == {"failed": None, "sent": None}


def test_status_missing_worker_changes_nothing_but_its_own_line() -> None:
    health = make(FakeProbes(worker_answer=WorkerSeen()))

    report = health.report()

    assert report.status == "healthy"
    assert health.body(report)["components"]["worker"] == {"status": "down"}


def test_report_everything_hangs_answers_at_the_deadline(hang: threading.Event) -> None:
    probes = FakeProbes(
        database_answer=hang,
        redis_answer=hang,
        worker_answer=hang,
        schema_answer=hang,
        activity_answer=hang,
    )
    health = make(probes)
    started = time.monotonic()

    report = health.report()

    assert 1.4 < time.monotonic() - started < 15
    assert report.status == "degraded"
    assert report.database.latency_ms == 1500


def test_report_is_stormed_each_probe_runs_once(hang: threading.Event) -> None:
    probes = FakeProbes(database_answer=hang)
    health = make(probes)
    threads = [threading.Thread(target=health.report) for _ in range(20)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)

    assert probes.calls.count("database") == 1
    assert probes.calls.count("schema") == 1


def test_report_probe_raises_something_odd_is_down_not_an_error() -> None:
    health = make(FakeProbes(database_answer=RuntimeError("a driver bug")))

    assert health.report().status == "degraded"


def test_ready_needs_database_and_schema_and_no_drain() -> None:
    assert make(FakeProbes()).is_ready()
    assert not make(FakeProbes(database_answer=DatabaseUnavailable("down"))).is_ready()
    assert not make(FakeProbes(schema_answer=SchemaStatus(engine=_BEHIND, client=_NONE))).is_ready()
    assert make(FakeProbes(redis_answer=DatabaseUnavailable("down"))).is_ready()


def test_ready_draining_says_no_without_looking() -> None:
    probes = FakeProbes()
    health = make(probes)

    health.start_draining()

    assert not health.is_ready()
    assert probes.calls == []
