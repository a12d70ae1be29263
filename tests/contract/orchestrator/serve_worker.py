"""A worker process for the conformance suite: ``python -m ...serve_worker <config.json>``.

Everything it does is appended to a journal, one JSON object a line; commands come on stdin,
one JSON object a line, and are answered in the journal.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from hogsend.errors import HogsendError
from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.local import LocalOptions, LocalOrchestrator
from hogsend.orchestrator.port import (
    Concurrency,
    Orchestrator,
    Priority,
    Run,
    RunRefused,
    RunRequest,
    ServeHooks,
    Task,
    WhenBusy,
)


class Journal:
    """Appends records; a line is one write, so processes can share the file."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, event: str, **fields: Any) -> None:
        """One record with the time and the process."""
        record = {"event": event, "at": time.time(), "pid": os.getpid(), **fields}
        os.write(self._file, (json.dumps(record) + "\n").encode())


class FileLock:
    """A lock of one machine; ``<path>.lost`` makes it behave as if its connection broke."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None

    def try_acquire(self) -> bool:
        if self._is_broken():
            return False
        if self._file is None:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            self._file = file
        return True

    def held(self) -> bool:
        if self._is_broken():
            self.release()
        return self._file is not None

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_broken(self) -> bool:
        return Path(self._path + ".lost").exists()


def build(config: Mapping[str, Any]) -> Orchestrator:
    """The orchestrator the configuration names."""
    drain = timedelta(seconds=config["drain_seconds"])
    if config["kind"] == "local":
        options = LocalOptions(
            slots=config["slots"], drain_timeout=drain, lock_poll=timedelta(seconds=0.1)
        )
        return LocalOrchestrator(options, FileLock(config["lock"]))
    return build_hatchet(config)


def build_hatchet(config: Mapping[str, Any]) -> Orchestrator:
    """A Hatchet orchestrator, also used by the test process to submit."""
    from hogsend.orchestrator.hatchet import HatchetOrchestrator
    from hogsend.orchestrator.hatchet_options import HatchetOptions

    return HatchetOrchestrator(
        HatchetOptions(
            token=config["token"],
            host_port=config["host_port"],
            tls_strategy=config["tls_strategy"],
            slots=config["slots"],
            worker_name=f"{config['prefix']}-worker",
            drain_timeout=timedelta(seconds=config["drain_seconds"]),
            engine_lost_after=timedelta(seconds=config["engine_lost_seconds"]),
        )
    )


class Handlers:
    """What the tasks do; each leaves its traces in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def record(self, run: Run) -> JsonObject | None:
        """Note the run."""
        self._note("ran", run)
        return {"seen": run.attempt}

    async def flaky(self, run: Run) -> None:
        """Fail the first ``input.failures`` attempts."""
        self._note("ran", run)
        failures = run.input["failures"]
        assert isinstance(failures, int)
        if run.attempt <= failures:
            raise RuntimeError("as the test asked")

    async def slow(self, run: Run) -> None:
        """Take ``input.seconds``."""
        self._note("ran", run)
        try:
            seconds = run.input["seconds"]
            assert isinstance(seconds, int | float)
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self._note("cancelled", run)
            raise
        self._note("finished", run)

    def _note(self, event: str, run: Run) -> None:
        self._journal.write(
            event,
            task=run.task,
            input=run.input,
            run_id=run.run_id,
            attempt=run.attempt,
            metadata=dict(run.metadata),
        )


def declare(config: Mapping[str, Any], handlers: Handlers) -> list[Task]:
    """The tasks of the suite, named with the run's own prefix."""
    prefix = config["prefix"]
    minute = timedelta(minutes=1)
    tasks = [
        Task(name=f"{prefix}-record", handler=handlers.record, execution_timeout=minute),
        Task(name=f"{prefix}-slow", handler=handlers.slow, execution_timeout=minute),
        Task(
            name=f"{prefix}-flaky",
            handler=handlers.flaky,
            execution_timeout=minute,
            retries=3,
            backoff_factor=1.5,
        ),
        Task(
            name=f"{prefix}-hasty",
            handler=handlers.slow,
            execution_timeout=timedelta(seconds=1),
            retries=1,
            backoff_factor=1.0,
        ),
        Task(
            name=f"{prefix}-keyed",
            handler=handlers.slow,
            execution_timeout=minute,
            concurrency=Concurrency(max_runs=1, input_field="key"),
        ),
        Task(
            name=f"{prefix}-lone",
            handler=handlers.slow,
            execution_timeout=minute,
            concurrency=Concurrency(max_runs=1, when_busy=WhenBusy.DROP),
        ),
    ]
    if config["cron"]:
        tasks.append(
            Task(
                name=f"{prefix}-tick",
                handler=handlers.record,
                execution_timeout=minute,
                schedule_timeout=timedelta(seconds=50),
                cron="* * * * *",
            )
        )
    return tasks


def requests(runs: list[dict[str, Any]]) -> list[RunRequest]:
    """Run requests from their JSON form."""
    return [
        RunRequest(
            task=run["task"],
            input=run["input"],
            priority=Priority(run.get("priority", Priority.NORMAL)),
            metadata=run.get("metadata", {}),
        )
        for run in runs
    ]


def obey(orchestrator: Orchestrator, journal: Journal) -> None:
    """Carry out the commands of stdin until it closes."""
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {"id": command["id"]}
        try:
            if command["do"] == "submit":
                orchestrator.submit(requests(command["runs"]))
            elif command["do"] == "stop":
                orchestrator.request_stop()
            elif command["do"] == "health":
                answer["healthy"] = orchestrator.is_healthy()
        except RunRefused as error:
            answer |= {"error": error.code, "index": error.index}
        except HogsendError as error:
            answer |= {"error": error.code}
        journal.write("answered", **answer)


def main() -> None:
    """Serve once; the last record is how it ended."""
    config = json.loads(Path(sys.argv[1]).read_text())
    journal = Journal(config["journal"])
    orchestrator = build(config)
    threading.Thread(target=obey, args=(orchestrator, journal), daemon=True).start()
    hooks = ServeHooks(
        on_ready=lambda: journal.write("ready"), on_stopping=lambda: journal.write("stopping")
    )
    try:
        end = orchestrator.serve(declare(config, Handlers(journal)), hooks)
        journal.write("ended", how=end.value)
    except HogsendError as error:
        journal.write("ended", how="error", error=error.code, message=str(error))
    orchestrator.close()


if __name__ == "__main__":
    main()
