"""The worker dies between any two steps of every example journey; nobody notices.

Ten people go through the ten journeys of ``hogsend.examples.classic`` on both sides of every
branch. First without deaths: what they got is the measure. Then again and again, and at every
moment nobody has died at yet (``tests/fakes/crashing_worker.py``) the worker kills itself, until
a run passes without a death. Every run must end as the first one did.

Waits are not shortened: between two phases everything in the database grows older. Within a phase
their time stands still, because many deaths take longer than the shortest wait.

``HOGSEND_TEST_CRASH_STRIDE`` n takes every n-th moment, 1 all of them; ``n+k`` those k further on,
so that n runs side by side take all. Unless said otherwise it is 10 on ``local``; starting a worker
of the Hatchet SDK takes seconds, so there it is 48. All of them take two minutes on ``local`` and
about an hour on the others: give pytest ``-o faulthandler_timeout=0``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hogsend.db import Query
from hogsend.db.errors import DeadlockDetected
from hogsend.events.ingest import Ingest
from hogsend.events.models import NewEvent
from hogsend.examples.classic import app
from hogsend.journeys.registry import JourneyRegistry
from hogsend.kernel.ids import uuid7
from tests.acceptance.instance import Instance

pytestmark = [pytest.mark.integration, pytest.mark.slow]

_MOST_DEATHS_OF_A_PHASE = 12
"""A row whose executor dies twenty times is poison to the product, as it should be."""
_PHASE_SECONDS = 400
_HOLD_SECONDS = 5
_DAY = 86400.0
_STRIDES = {"local": "10"}
_OTHER_STRIDE = "48"

_SCRIPT: list[tuple[float, str, str, dict[str, Any]]] = [
    (0, "cid", "user.created", {}),  # uses everything, is unhappy
    (0, "dan", "user.created", {}),  # does nothing, answers late
    (0, "eve", "user.created", {}),  # is activated, never answers
    (0, "fay", "user.created", {}),  # leaves
    (0, "cid", "trial.started", {}),  # tries the paid feature, never pays
    (0, "eve", "trial.started", {}),  # pays
    (0, "dan", "checkout.abandoned", {"checkoutUrl": "https://shop.test/b"}),
    (0, "fay", "checkout.abandoned", {}),  # comes back alone
    (0, "gus", "payment.failed", {}),  # never pays
    (0, "hal", "payment.failed", {}),  # pays late
    (0, "ida", "session.completed", {}),
    (0, "ida", "milestone.reached", {"stat": "100"}),
    (0, "joe", "milestone.reached", {}),
    (0, "joe", "user.dormancy_detected", {}),  # never comes back
    (0, "leo", "user.dormancy_detected", {}),  # comes back
    (0, "gus", "user.dormancy_detected", {}),  # belongs to the control group
    (0, "ken", "test.signup", {}),  # answers
    (0, "leo", "test.signup", {}),  # does not
    (0.0007, "ken", "test.step_done", {}),
    (0.0417, "fay", "checkout.completed", {}),
    (1, "cid", "feature.used", {}),
    (1, "cid", "setup.completed", {}),
    (1, "cid", "value.delivered", {}),
    (1.5, "hal", "payment.succeeded", {}),
    (2.5, "eve", "user.activated", {}),
    (5, "cid", "paid_feature.tried", {}),
    (8, "eve", "subscription.created", {}),
    (8, "fay", "user.deleted", {}),
    (10, "leo", "app.active", {}),
    (15, "cid", "nps.submitted", {"score": 3}),
    (15, "dan", "nps.submitted", {"score": "ten"}),  # no answer
    (19, "dan", "nps.submitted", {"score": 9}),
]

# Not ``-m``: the SDK starts a process of its own, which would import the main module once more.
_NURSERY = [sys.executable, "-c", "from tests.fakes.crashing_worker import nurse; nurse()"]

_COLUMNS = (
    "SELECT table_name, string_agg(format('%I = %I - make_interval(secs => %%s)', column_name,"
    " column_name), ', ') FROM information_schema.columns WHERE data_type = 'timestamp with time"
    " zone' AND table_schema = 'public' AND table_name IN"
    " ('waits', 'journey_states', 'user_events', 'email_sends') GROUP BY 1"
)
_FIRST_DUE = (
    "SELECT extract(epoch FROM min(due_at) - now())::float8 FROM waits WHERE outcome IS NULL"
)
_HOLD = (
    "UPDATE waits SET due_at = due_at + make_interval(secs => {})"
    " WHERE outcome IS NULL AND due_at > now()"
)
_OPEN = (
    "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM journey_states WHERE status ="
    " 'active') + (SELECT count(*) FROM waits WHERE outcome IS NOT NULL OR due_at <= now())"
    " + (SELECT count(*) FROM email_sends WHERE status = 'queued')"
)
_OUTCOMES = (
    "SELECT s.user_id, s.journey_id, s.status, s.exit_reason, s.error_message, s.entry_count,"
    " (SELECT json_agg(json_build_array(m.template_key, m.subject, m.status, m.reason)"
    "   ORDER BY m.created_at, m.id) FROM email_sends m WHERE m.journey_state_id = s.id),"
    " (SELECT json_agg(l.action || ' ' || l.to_node_id ORDER BY l.action, l.to_node_id)"
    "   FROM journey_logs l WHERE l.journey_state_id = s.id)"
    " FROM journey_states s ORDER BY s.user_id, s.journey_id"
)
_EVENTS = (
    "SELECT user_id, event, properties, count(*) FROM user_events WHERE source = 'journey'"
    " GROUP BY 1, 2, 3 ORDER BY 1, 2"
)
_SKIPS = "SELECT journey_id, user_id, reason, times FROM journey_skips ORDER BY 1, 2, 3"
_CLEAR = (
    "TRUNCATE journey_states, journey_logs, journey_steps, waits, journey_skips, outbox,"
    " user_events, email_sends, contacts CASCADE"
)
_TAKE_OVER = (
    "UPDATE outbox SET available_at = now()",
    "UPDATE email_sends SET claimed_until = now() WHERE status = 'queued'",
)


class _Silent:
    def poke(self) -> None:
        """The relay looks every second."""


@dataclass
class Stage:
    """One database, one worker at a time; ``deaths`` are moments in order."""

    instance: Instance
    is_local: bool
    stride: str
    deaths: list[str] = field(default_factory=list)
    lives: int = 0
    _worker: int | None = None
    _nursery: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.directory: Path = self.instance.directory
        self._spent.touch()
        registry = JourneyRegistry(app, None)
        database = self.instance.database
        self._ingest = Ingest(db=database, matcher=registry, nudge=_Silent(), new_id=uuid7)

    @property
    def _spent(self) -> Path:
        return self.directory / "spent"

    @property
    def _environ(self) -> dict[str, str]:
        return self.instance.environ | {
            "HOGSEND_APP": "hogsend.examples.classic:app",
            "HOGSEND_CRASH_DIR": str(self.directory),
            "HOGSEND_LEASE_SECONDS": "60",
            # Hatchet may give a run to the worker that just died, and not tell anybody.
            "HOGSEND_OUTBOX_RESUBMIT_SECONDS": "60" if self.is_local else "3",
        }

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        for _ in range(5):
            with suppress(DeadlockDetected):  # with the last statement of the dead, still running
                return self.instance.database.run(Query("stage", text))
        raise AssertionError(f"deadlocked again and again: {text}")

    def play(self, *, deadly: bool) -> dict[str, Any]:
        """Everybody's whole story; answers what became of them."""
        self._end_worker()
        self.sql(_CLEAR)
        for mail in self.instance.mail.glob("*.eml"):
            mail.unlink()
        script = list(_SCRIPT)
        now, phase = 0.0, 0
        while True:
            while script and script[0][0] * _DAY <= now:
                _, user, name, properties = script.pop(0)
                self._send(user, name, properties)
            self._finish(phase, deadly=deadly)
            due = self.sql(_FIRST_DUE)[0][0]
            steps = [
                s for s in (due, script[0][0] * _DAY - now if script else None) if s is not None
            ]
            if not steps:
                return self._outcome()
            step = max(min(steps) + 30, 0)  # what is due at about the same time is due together
            if self.is_local:
                self._end_worker()  # a new one is there before the old one looks again
            self._grow_older(step)
            now, phase = now + step, phase + 1

    def close(self) -> None:
        self._end_worker()
        if self._nursery is not None:
            self._nursery.kill()
            self._nursery.communicate()

    def _send(self, user: str, name: str, properties: dict[str, Any]) -> None:
        self._ingest.ingest(
            NewEvent(
                name=name, external_id=user, email=f"{user}@people.test", properties=properties
            )
        )

    def _grow_older(self, seconds: float) -> None:
        for table, changes in self.sql(_COLUMNS):
            self.sql(f"UPDATE {table} SET {changes.replace('%s', str(seconds))}")

    def _finish(self, phase: int, *, deadly: bool) -> None:
        """Until nothing is left to do at this instant, whoever dies on the way."""
        held = time.monotonic()
        deadline = held + _PHASE_SECONDS
        deaths = 0
        self._order(phase, deadly=deadly)
        while self.sql(_OPEN)[0][0]:
            assert time.monotonic() < deadline, (
                phase,
                self.deaths[-3:],
                self.instance.log("crash"),
            )
            if not self._is_alive():
                deaths += self._note_death()
                if deaths >= _MOST_DEATHS_OF_A_PHASE:
                    self._order(phase, deadly=False)
                self._start_worker()
            if (passed := time.monotonic() - held) > _HOLD_SECONDS:
                self.sql(_HOLD.format(passed))
                held += passed
            time.sleep(0.02)

    def _order(self, phase: int, *, deadly: bool) -> None:
        draft = self.directory / "orders.draft"
        stride, _, offset = (self.stride if deadly else "0").partition("+")
        order = {"phase": phase, "stride": int(stride), "offset": int(offset or 0)}
        draft.write_text(json.dumps(order))
        draft.replace(self.directory / "orders.json")

    def _note_death(self) -> int:
        new = self._spent.read_text().splitlines()[len(self.deaths) :]
        assert len(new) <= 1, new
        assert self._worker is None or new, f"ended by itself\n{self.instance.log('crash')[-3000:]}"
        self.deaths += new
        return len(new)

    def _start_worker(self) -> None:
        self._end_worker()
        for statement in _TAKE_OVER:
            self.sql(statement)
        self.lives += 1
        log = self.directory / "crash.log"
        if self._nursery is None:
            self._nursery = subprocess.Popen(
                _NURSERY,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(f"{log}\n")
        self._nursery.stdin.flush()
        self._worker = int(self._nursery.stdout.readline())

    def _is_alive(self) -> bool:
        return self._worker is not None and Path(f"/proc/{self._worker}").exists()

    def _end_worker(self) -> None:
        """What is left of it, helper processes included."""
        if self._worker is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._worker, signal.SIGKILL)
            while self._is_alive():
                time.sleep(0.005)
        self._worker = None

    def _outcome(self) -> dict[str, Any]:
        mails = Counter((str(m["To"]), str(m["Subject"])) for m in self.instance.mails())
        return {
            "enrollments": self.sql(_OUTCOMES),
            "events": self.sql(_EVENTS),
            "refused": self.sql(_SKIPS),
            "mails": sorted(mails.items()),
        }


@pytest.fixture
def stage(instance: Instance, request: pytest.FixtureRequest) -> Iterator[Stage]:
    engine = request.node.callspec.params["engine"]
    stride = os.environ.get("HOGSEND_TEST_CRASH_STRIDE") or _STRIDES.get(engine, _OTHER_STRIDE)
    made = Stage(instance, is_local=engine == "local", stride=stride)
    try:
        yield made
    finally:
        made.close()


def test_examples_with_deaths_at_every_step_end_as_without(stage: Stage) -> None:
    began = time.monotonic()

    expected = stage.play(deadly=False)

    assert {row[1] for row in expected["enrollments"]} == set(app.journeys)
    assert {row[2] for row in expected["enrollments"]} == {"completed", "exited", "held_out"}
    assert {event for _, event, _, _ in expected["events"]} >= {"nps.detractor", "test.finished"}
    sent = [m for row in expected["enrollments"] for m in row[6] or () if m[2] == "sent"]
    assert sum(times for _, times in expected["mails"]) == len(sent)
    assert not stage.deaths
    print(f"\nwithout deaths: {time.monotonic() - began:.0f} s, {len(sent)} mails", flush=True)
    for row in expected["enrollments"]:
        print("  ", *row[:4], [m[0] for m in row[6] or ()])

    runs, last = 0, -1
    while last != len(stage.deaths):
        last = len(stage.deaths)
        found = stage.play(deadly=True)
        runs += 1
        print(f"run {runs}: {len(stage.deaths) - last} deaths, {time.monotonic() - began:.0f} s")
        for part, value in expected.items():
            assert found[part] == value, (part, stage.deaths[last:])
    assert stage.deaths
    kinds = Counter(" ".join(d.split(": ")[-1].split()[:2]) for d in stage.deaths)
    print(f"{runs} runs, {len(stage.deaths)} deaths, {stage.lives} lives: {dict(kinds)}")
