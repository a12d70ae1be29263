"""May a process start on this database?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from hogsend.db.errors import DatabaseUnavailable
from hogsend.db.schema_version import SchemaStatus, TrackStatus
from hogsend.ops.boot_guard import BEHIND, UNREACHABLE, check_schema

_OK = TrackStatus(applied="0002_b", required="0002_b", in_sync=True, pending=())
_EMPTY = TrackStatus(applied=None, required="0002_b", in_sync=False, pending=("0001_a", "0002_b"))
_IN_SYNC = SchemaStatus(engine=_OK, client=_OK)
_BEHIND = SchemaStatus(engine=_EMPTY, client=_OK)
_CLIENT_BEHIND = SchemaStatus(engine=_OK, client=_EMPTY)


class Time:
    """Passes only when somebody pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def ticks(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def reader(*answers: SchemaStatus | Exception) -> Callable[[], SchemaStatus]:
    """Gives these answers, the last one for ever."""
    left = list(answers)

    def read() -> SchemaStatus:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return read


def check(
    read: Callable[[], SchemaStatus], *, wait: float, waits: bool = False
) -> tuple[str | None, float, list[str]]:
    time = Time()
    with capture_logs() as logs:
        refusal = check_schema(
            read,
            wait_seconds=wait,
            waits_for_migration=waits,
            ticks=time.ticks,
            pause=time.pause,
        )
    return refusal, time.now, [entry["event"] for entry in logs]


@pytest.mark.parametrize("schema", [_IN_SYNC, _CLIENT_BEHIND])
def test_check_engine_track_is_in_sync_starts_at_once(schema: SchemaStatus) -> None:
    assert check(reader(schema), wait=30) == (None, 0.0, [])


def test_check_behind_refuses_an_api_at_once_and_says_what_to_run() -> None:
    with capture_logs() as logs:
        refusal = check_schema(reader(_BEHIND), wait_seconds=30)

    (entry,) = logs
    assert refusal == "behind"
    assert entry["event"] == BEHIND
    assert (entry["required"], entry["applied"]) == ("0002_b", "(empty)")
    assert entry["pending"] == ["0001_a", "0002_b"]
    assert "hogsend migrate" in entry["hint"]
    assert "SKIP_SCHEMA_CHECK" in entry["hint"]


def test_check_worker_waits_for_the_migration() -> None:
    refusal, waited, logs = check(reader(_BEHIND, _BEHIND, _IN_SYNC), wait=30, waits=True)

    assert (refusal, logs) == (None, [])
    assert waited == 1.0


def test_check_worker_gives_up_when_the_migration_never_comes() -> None:
    assert check(reader(_BEHIND), wait=5, waits=True) == ("behind", 5.0, [BEHIND])


def test_check_database_is_away_is_asked_again_then_refused_once() -> None:
    away = DatabaseUnavailable("gone")

    assert check(reader(away), wait=3) == ("unreachable", 3.0, [UNREACHABLE])
    assert check(reader(away, away, _IN_SYNC), wait=3) == (None, 1.0, [])
