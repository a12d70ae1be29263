"""The real worker mode, in a process that kills itself with -9 at named moments.

``HOGSEND_CRASH_DIR`` holds ``orders.json`` (``phase``, ``stride`` (0: live on), ``offset``) and
``spent``: the moments this or an earlier process died at, one a line. Nobody dies twice at one
moment. A moment is the point after a statement, an event, a hand-over of a mail or a submission to
the engine (which is the point before the next one), named by the people and journeys it is about,
so that it is the same in every run.

``nurse`` starts a worker for every line of standard input (``<log file>``) and answers its pid:
forks of an interpreter that has imported everything take a tenth of the time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hogsend.db import Database, Query
from hogsend.email.providers.base import ProviderReceipt, WireMessage
from hogsend.email.providers.outbox import OutboxProvider
from hogsend.events.ingest import Ingest
from hogsend.events.models import Ingested, NewEvent
from hogsend.journeys.topic import JourneyTopic
from hogsend.modes import worker

_ABOUT_MANY = frozenset({"begin_advances", "settle_advances"})
_ANYBODY = frozenset({"claim_due", "wake_due"})
_READS = frozenset({"count_events", "list_events", "read_journey", "read_email", "count_sends"})


class Moments:
    """Knows whose statement is whose, and when to die."""

    def __init__(self, directory: Path) -> None:
        self._orders = directory / "orders.json"
        self._spent = directory / "spent"
        self._lock = threading.Lock()
        self._people: dict[str, str] = {}
        self._mails: dict[str, str] = {}

    def pass_by(self, moment: str, *, is_staged: bool = False) -> None:
        """Die here, if nobody has; a staged moment is another one in every phase."""
        with self._lock:
            orders = json.loads(self._orders.read_text())
            name = f"{orders['phase']}: {moment}" if is_staged else moment
            stride = orders["stride"]
            if not stride or zlib.crc32(name.encode()) % stride != orders["offset"]:
                return
            if name in self._spent.read_text().splitlines():
                return
            with self._spent.open("a") as file:
                file.write(f"{name}\n")
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()

    def run(
        self, inner: Callable[..., list[tuple[Any, ...]]]
    ) -> Callable[..., list[tuple[Any, ...]]]:
        """``Database.run`` between two moments."""

        def run(db: Database, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
            found = self._name(query.name, params)
            if found is None:
                return inner(db, query, **params)
            what, is_staged = found
            rows = inner(db, query, **params)
            if query.name == "begin_advances":
                self._people |= {str(row[3]): f"{params['journey']} of {row[6]}" for row in rows}
            if query.name == "begin_advances":
                is_moment = any(row[1] != "gone" for row in rows)  # the engine may deliver late
            else:
                is_moment = query.name not in _ANYBODY or bool(rows and rows[0][0])
            if is_moment:
                self.pass_by(f"after {what}", is_staged=is_staged)
            return rows

        return run

    def place(self, key: str) -> str:
        """An idempotency key with the person in place of the enrollment's id."""
        kind, _, rest = key.partition(":")
        state, _, place = rest.partition(":")
        return f"{kind} {self._people.get(state, 'somebody')} {place}"

    def _name(self, query: str, params: dict[str, Any]) -> tuple[str, bool] | None:
        if query in _ABOUT_MANY:
            return f"{query} {params['journey']}", True
        if query in _READS:
            return query, True
        if query in _ANYBODY:
            return query, False
        if query == "record_steps":
            return f"{query} {self._people.get(str(params['state_id']))}", True
        if query == "claim_send":
            send = json.loads(params["send"])
            self._mails[str(send["id"])] = place = self.place(str(send["idempotency_key"]))
            return f"{query} {place}", False
        if query == "settle_sent":
            return f"{query} {self._mails.get(str(params['sends'][0]['id']))}", False
        return None


def plant(moments: Moments) -> None:
    """Put the moments around what a worker does to the world."""
    submit, hand_over, ingest = JourneyTopic.deliver, OutboxProvider.send, Ingest.ingest

    def deliver(topic: JourneyTopic, rows: Any) -> Any:
        answer = submit(topic, rows)
        moments.pass_by("after submit", is_staged=True)
        return answer

    def send(provider: OutboxProvider, message: WireMessage) -> ProviderReceipt:
        receipt = hand_over(provider, message)
        moments.pass_by(f"after hand-over {message.to} {message.subject}", is_staged=True)
        return receipt

    def store(into: Ingest, event: NewEvent) -> Ingested:
        place = moments.place(str(event.idempotency_key))
        answer = ingest(into, event)
        moments.pass_by(f"after event {place}")
        return answer

    for owner, name, new in (
        (Database, "run", moments.run(Database.run)),
        (JourneyTopic, "deliver", deliver),
        (OutboxProvider, "send", send),
        (Ingest, "ingest", store),
    ):
        setattr(owner, name, new)


def main() -> int:
    """One worker, until it is killed."""
    plant(Moments(Path(os.environ["HOGSEND_CRASH_DIR"])))
    return worker.main([], os.environ)


def nurse() -> None:
    """Fork a worker for every line; ended ones are not waited for."""
    import hogsend.container.worker
    import hogsend.orchestrator.hatchet
    import hogsend.orchestrator.local  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            log = os.open(line.strip(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os._exit(main())
        print(pid, flush=True)
