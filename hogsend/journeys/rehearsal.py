"""Replays an enrollment as far as its journal goes, and touches nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, ParamSpec, TypeAlias, TypeVar

from structlog.testing import capture_logs

from hogsend.db import Query
from hogsend.email.models import SendRequest, SendResult
from hogsend.events.models import Ingested, NewEvent
from hogsend.journeys.effects.connector import Connector, ConnectorCall
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Enrollment, NewWait
from hogsend.journeys.runtime.offload import Offload
from hogsend.journeys.runtime.passage import Passage, Services
from hogsend.journeys.runtime.replay import replay
from hogsend.journeys.runtime.signals import Lost, suspend
from hogsend.journeys.runtime.watch import LoopWatch
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonValue

P = ParamSpec("P")
T = TypeVar("T")

End: TypeAlias = Literal["waits", "acts", "completes", "exits", "fails"]
_ENDS: dict[str, End] = {
    "waiting": "waits",
    "completed": "completes",
    "exited": "exits",
    "failed": "fails",
    "retry": "acts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Where the code goes with the journal as it is.

    ``waits``: it pauses (``wait``). ``acts``: it wants to do or read something that is not
    recorded (``reason`` says after which step). ``unvisited`` are recorded steps it did not pass;
    ``drift`` says where it first left the recorded path, although it may have come back.
    """

    end: End
    wait: NewWait | None = None
    reason: str | None = None
    unvisited: tuple[str, ...] = ()
    drift: str | None = None


async def rehearse(
    enrollment: Enrollment, definition: JourneyDefinition, *, clock: Clock, watch: LoopWatch
) -> Rehearsal:
    """Run the function until it waits, ends, or leaves what is recorded.

    Only the function's own code runs: no query, no mail, no event. A started ``watch`` breaks off
    code that does none of it.
    """
    stage = _Stage()
    passages: list[Passage] = []
    services = Services(
        db=stage,
        offload=stage,
        mailer=stage,
        clock=clock,
        ingest=stage.ingest,
        connectors=_AnyName(stage),
        watch=watch,
    )
    # What a drift policy would do is for the caller to say.
    tolerant = replace(definition, meta=replace(definition.meta, on_drift="continue"))
    with capture_logs():
        settlement = await replay(
            enrollment, tolerant, services, attempts=1, on_start=passages.append
        )
    unvisited = tuple(step.key for step in passages[0].journal.unvisited())
    drift = passages[0].drift.message if passages[0].drift else None
    if settlement is None:
        return Rehearsal(end="acts", reason=stage.wanted, unvisited=unvisited, drift=drift)
    return Rehearsal(
        end=_ENDS[settlement.status],
        wait=settlement.wait,
        reason=settlement.error or settlement.reason,
        unvisited=unvisited,
        drift=drift,
    )


class _Unreachable(RuntimeError):
    """The stage ends a rehearsal before anything of it is called."""


class _Everything(frozenset[str]):
    """Has every action."""

    def __contains__(self, name: object) -> bool:
        return True


class _Stage(Offload):
    """Stands in for everything outside: the first request ends the rehearsal."""

    actions: frozenset[str] = _Everything()

    def __init__(self) -> None:
        self.wanted: str | None = None

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        raise _Unreachable(query.name)

    def send(self, request: SendRequest) -> SendResult:
        raise _Unreachable(request.template)

    def ingest(self, event: NewEvent) -> Ingested:
        raise _Unreachable(event.name)

    def call(self, call: ConnectorCall) -> JsonValue:
        raise _Unreachable(call.action)

    async def query(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Never answers."""
        await self._end(f"ask {getattr(call, '__name__', call)}")

    async def effect(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Never happens."""
        await self._end(_words(args[0] if args else call))

    def close(self) -> None:
        """Nothing runs."""

    async def _end(self, what: str) -> NoReturn:
        self.wanted = f"it would {what}"
        await suspend(Lost())


class _AnyName(dict[str, Connector]):
    """Every connector there could be."""

    def __init__(self, stage: _Stage) -> None:
        super().__init__()
        self._stage = stage

    def get(self, key: str, default: object = None) -> Connector:
        """The stage, whatever the name."""
        return self._stage


def _words(request: object) -> str:
    match request:
        case SendRequest():
            return f"send {request.template!r}"
        case NewEvent():
            return f"trigger {request.name!r}"
        case ConnectorCall():
            return f"call {request.action!r}"
    return f"do {getattr(request, '__name__', request)}"
