"""Runs one orchestrator with real worker processes and lets a test break it.

``OrchestratorUnderTest`` is the same for the local orchestrator, for Hatchet's SDK on the stub
engine and for a real engine (``HOGSEND_TEST_HATCHET_TOKEN``), so one suite judges all three.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from hogsend.orchestrator.port import (
    Orchestrator,
    OrchestratorUnavailable,
    RunRefused,
    RunRequest,
)
from tests.contract.orchestrator import serve_worker
from tests.fakes.hatchet_engine import StubEngine
from tests.waiting import wait_until

Kind = Literal["local", "stub", "real"]
Record = dict[str, Any]
_ROOT = Path(__file__).parents[3]


def kinds() -> list[Kind]:
    """What can be tested here: a real engine only when its token is given."""
    found: list[Kind] = ["local", "stub"]
    if os.environ.get("HOGSEND_TEST_HATCHET_TOKEN"):
        found.append("real")
    return found


@dataclass(kw_only=True)
class WorkerProcess:
    """One worker; its stdin takes commands, its journal is the harness's."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def pid(self) -> int:
        """Process id, which its records carry."""
        return self.process.pid

    def terminate(self) -> None:
        """SIGTERM to the process alone, as a supervisor does."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9 of the process alone; children are on their own."""
        self.process.kill()
        self.process.wait(timeout=10)

    def clean_up(self) -> None:
        """kill -9 of whatever is left of the process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=10)

    def orphans(self) -> list[int]:
        """Live processes of the group that are not the worker itself."""
        listing = subprocess.run(
            ["ps", "-o", "pid=,stat=", "-g", str(self.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        rows = [line.split() for line in listing.stdout.splitlines()]
        return [int(pid) for pid, stat in rows if stat[0] != "Z" and int(pid) != self.pid]


@dataclass(kw_only=True)
class OrchestratorUnderTest:
    """Start workers, submit, read what ran, break things."""

    kind: Kind
    directory: Path
    engine: StubEngine | None = None
    prefix: str = field(default_factory=lambda: f"t{uuid4().hex[:10]}")
    workers: list[WorkerProcess] = field(default_factory=list)
    submitter: Orchestrator | None = None
    _commands: int = 0

    def task(self, name: str) -> str:
        """The full name of one of ``serve_worker.declare``'s tasks."""
        return f"{self.prefix}-{name}"

    def config(self, **changes: Any) -> dict[str, Any]:
        """A worker's configuration."""
        environ = self.engine.environ if self.engine is not None else _real_environ()
        config = {
            "kind": "local" if self.kind == "local" else "hatchet",
            "journal": str(self.directory / "journal.jsonl"),
            "prefix": self.prefix,
            "cron": False,
            "slots": 20,
            "drain_seconds": 10,
            "engine_lost_seconds": 60,
            "lock": str(self.directory / "lock"),
            "token": environ.get("HATCHET_CLIENT_TOKEN", ""),
            "host_port": environ.get("HATCHET_CLIENT_HOST_PORT"),
            "tls_strategy": environ.get("HATCHET_CLIENT_TLS_STRATEGY", "tls"),
        }
        return config | changes

    def start_worker(self, *, wait: bool = True, **changes: Any) -> WorkerProcess:
        """Start a worker process; with ``wait`` until runs can arrive."""
        number = len(self.workers)
        path = self.directory / f"worker-{number}.json"
        path.write_text(json.dumps(self.config(**changes)))
        log = self.directory / f"worker-{number}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.contract.orchestrator.serve_worker", str(path)],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        worker = WorkerProcess(process=process, log=log)
        self.workers.append(worker)
        if wait:
            self.wait_for("ready", pid=worker.pid, seconds=60)
        return worker

    def submit(self, runs: Sequence[RunRequest]) -> None:
        """Submit as the relay of a worker would; errors are raised here."""
        if self.kind == "local":
            self._submit_through(self.workers[0], runs)
            return
        if self.submitter is None:
            self.submitter = serve_worker.build_hatchet(self.config())
        self.submitter.submit(runs)

    def run(self, task: str, *, times: int = 1, **payload: Any) -> None:
        """Submit the same input ``times`` times."""
        self.submit([RunRequest(task=self.task(task), input=payload)] * times)

    def ask(self, worker: WorkerProcess, do: str, **fields: Any) -> Record:
        """Give a worker a command and return its answer."""
        self._commands += 1
        assert worker.process.stdin is not None
        worker.process.stdin.write(json.dumps({"id": self._commands, "do": do, **fields}) + "\n")
        worker.process.stdin.flush()
        return self.wait_for("answered", pid=worker.pid, id=self._commands)

    def records(self, event: str | None = None, **fields: Any) -> list[Record]:
        """Journal records with these values, oldest first; ``task`` is given without prefix."""
        path = self.directory / "journal.jsonl"
        if "task" in fields:
            fields["task"] = self.task(fields["task"])
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [
            r
            for r in found
            if (event is None or r["event"] == event)
            and all(r.get(k) == v for k, v in fields.items())
        ]

    def wait_for(self, event: str, *, seconds: float = 20, **fields: Any) -> Record:
        """The first such record, waiting for it."""
        return self.wait_for_many(event, 1, seconds=seconds, **fields)[0]

    def wait_for_many(
        self, event: str, count: int, *, seconds: float = 20, **fields: Any
    ) -> list[Record]:
        """At least ``count`` such records, waiting for them."""
        self.wait_until(
            lambda: len(self.records(event, **fields)) >= count,
            seconds=seconds,
            what=f"{count} x {event} {fields}",
        )
        return self.records(event, **fields)

    def wait_until(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Poll until the condition holds; fails with the workers' logs at the deadline."""

        def explain() -> str:
            logs = "\n".join(w.log.read_text(errors="replace")[-4000:] for w in self.workers)
            return f"{what}\n{self.records()[-20:]}\n{logs}"

        wait_until(condition, seconds=seconds, what=explain)

    def how_ended(self, worker: WorkerProcess, *, seconds: float = 30) -> str:
        """How ``serve`` returned; waits for the process to be gone."""
        how = self.wait_for("ended", pid=worker.pid, seconds=seconds)["how"]
        worker.process.wait(timeout=30)
        return str(how)

    def break_engine(self) -> None:
        """Nothing can be submitted or assigned until ``heal_engine``."""
        if self.engine is not None:
            self.engine.stop()
        else:
            (self.directory / "lock.lost").touch()

    def heal_engine(self) -> None:
        """The engine is back where it was."""
        if self.engine is not None:
            self.engine.start()
        else:
            (self.directory / "lock.lost").unlink()

    def _submit_through(self, worker: WorkerProcess, runs: Sequence[RunRequest]) -> None:
        plain = [
            {
                "task": run.task,
                "input": run.input,
                "priority": int(run.priority),
                "metadata": dict(run.metadata),
            }
            for run in runs
        ]
        answer = self.ask(worker, "submit", runs=plain)
        if answer.get("error") == "run_refused":
            raise RunRefused("refused by the worker", index=answer["index"])
        if answer.get("error") is not None:
            raise OrchestratorUnavailable(f"the worker says {answer['error']}")


def _real_environ() -> dict[str, str]:
    names = ("TOKEN", "HOST_PORT", "TLS_STRATEGY")
    return {
        f"HATCHET_CLIENT_{name}": os.environ[f"HOGSEND_TEST_HATCHET_{name}"]
        for name in names
        if os.environ.get(f"HOGSEND_TEST_HATCHET_{name}")
    }


@contextmanager
def under_test(kind: Kind, directory: Path) -> Iterator[OrchestratorUnderTest]:
    """One orchestrator without workers; whatever a test starts is ended with it."""
    engine = StubEngine() if kind == "stub" else None
    tested = OrchestratorUnderTest(kind=kind, directory=directory, engine=engine)
    try:
        yield tested
    finally:
        for worker in tested.workers:
            worker.clean_up()
        if tested.submitter is not None:
            tested.submitter.close()
        if engine is not None:
            engine.close()
