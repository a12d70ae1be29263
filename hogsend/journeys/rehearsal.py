"""Replays an enrollment as far as its journal goes, and touches nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, ParamSpec, TypeAlias, TypeVar

from structlog.testing import capture_logs

from hogsend.db import Query
from hogsend.email.models import SendRequest, SendResult
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Enrollment, NewWait
from hogsend.journeys.runtime.offload import Offload
from hogsend.journeys.runtime.passage import Passage, Services
from hogsend.journeys.runtime.replay import replay
from hogsend.journeys.runtime.signals import Lost, suspend
from hogsend.kernel.clock import Clock

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
    recorded (``reason`` says after which step). ``unvisited`` are recorded steps it did not pass.
    """

    end: End
    wait: NewWait | None = None
    reason: str | None = None
    unvisited: tuple[str, ...] = ()


async def rehearse(
    enrollment: Enrollment, definition: JourneyDefinition, *, clock: Clock
) -> Rehearsal:
    """Run the function until it waits, ends, or leaves what is recorded.

    Only the function's own code runs: no query, no mail, no event.
    """
    stage = _Stage()
    passages: list[Passage] = []
    services = Services(db=stage, offload=stage, mailer=stage, clock=clock)
    with capture_logs():
        settlement = await replay(
            enrollment, definition, services, attempts=1, on_start=passages.append
        )
    unvisited = tuple(step.key for step in passages[0].journal.unvisited())
    if settlement is None:
        return Rehearsal(end="acts", reason=stage.wanted, unvisited=unvisited)
    return Rehearsal(
        end=_ENDS[settlement.status],
        wait=settlement.wait,
        reason=settlement.error or settlement.reason,
        unvisited=unvisited,
    )


class _Stage(Offload):
    """Stands in for everything outside: the first request ends the rehearsal."""

    def __init__(self) -> None:
        self.wanted: str | None = None

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        raise RuntimeError(f"a rehearsal has no database for {query.name}")

    def send(self, request: SendRequest) -> SendResult:
        raise RuntimeError(f"a rehearsal sends no {request.template}")

    async def query(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Never answers."""
        await self._end(call, args)

    async def effect(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Never happens."""
        await self._end(call, args)

    def close(self) -> None:
        """Nothing runs."""

    async def _end(self, call: object, args: tuple[object, ...]) -> NoReturn:
        mails = [arg.template for arg in args if isinstance(arg, SendRequest)]
        what = f"send {mails[0]!r}" if mails else str(getattr(call, "__name__", call))
        self.wanted = f"it would {what}"
        await suspend(Lost())
