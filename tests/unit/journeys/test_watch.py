from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from structlog.testing import capture_logs

from hogsend import App, on
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.runtime.watch import LoopWatch


async def endless(user: object, ctx: object) -> None:
    """A journey."""


def definition() -> JourneyDefinition:
    app = App(__name__)
    app.journey(id="endless", name="E", trigger=on("x"))(endless)
    return app.journeys["endless"]


def test_check_names_the_journey_and_the_line_that_is_running() -> None:
    watch = LoopWatch(stuck_seconds=0)

    with capture_logs() as logs:
        watch.begin(definition())
        watch.check()
        watch.check()
        watch.end()
        watch.check()

    (entry,) = logs  # once per stretch
    assert (entry["event"], entry["journey"]) == ("journey.blocks_the_loop", "endless")
    file, _, line = entry["place"].rpartition(":")
    assert file == __file__
    first = test_check_names_the_journey_and_the_line_that_is_running.__code__.co_firstlineno
    assert int(line) == first + 5


def test_check_says_nothing_about_a_short_stretch() -> None:
    watch = LoopWatch(stuck_seconds=60)

    with capture_logs() as logs:
        watch.begin(definition())
        watch.check()
        watch.end()

    assert logs == []


def test_thread_reports_while_the_loop_is_blocked() -> None:
    watch = LoopWatch(stuck_seconds=0.1)
    seen = threading.Event()
    watch.check = seen.set  # type: ignore[method-assign]
    watch.start()
    try:
        assert seen.wait(5)
    finally:
        watch.close()


def test_end_of_a_slow_stretch_is_a_warning() -> None:
    watch = LoopWatch()

    with capture_logs() as logs:
        watch.begin(definition())
        time.sleep(0.26)
        watch.end()
        watch.end()

    (entry,) = logs
    assert entry["event"] == "journey.blocked_the_loop"
    assert entry["seconds"] >= 0.25


_PROFILED_AFTERWARDS = """
import asyncio, sys, threading
from tests.unit.journeys.test_watch import definition
from hogsend.journeys.runtime.watch import LoopWatch, StuckJourney

watch = LoopWatch(stuck_seconds=0.05, break_seconds=0.05)
watch.start()
watch.begin(definition())
try:
    while True:
        pass
except StuckJourney:
    print("interrupted")
finally:
    watch.end()
    watch.close()

async def calm():
    await asyncio.sleep(0)

sys.setprofile(lambda frame, event, argument: None)
asyncio.run(calm())
print("profiled")
"""


def test_stretch_that_does_not_end_is_broken_off_and_leaves_nothing_behind() -> None:
    done = subprocess.run(  # a process of its own: it would spin for ever
        [sys.executable, "-c", _PROFILED_AFTERWARDS],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "interrupted" in done.stdout
    assert done.stdout.endswith("profiled\n")
