"""How a journey function comes to an end before its last line."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from types import coroutine
from typing import Any, NoReturn

from hogsend.errors import HogsendError
from hogsend.journeys.models import NewWait


class JourneyExit(BaseException):
    """Leaves the journey; raised by ``ctx.exit``. No ``except Exception`` can swallow it."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "")
        self.reason = reason


class JourneyError(HogsendError):
    """The journey's code asks for something that can never work; trying again cannot help."""

    default_code = "journey_error"


class CodeDrift(JourneyError):
    """The journey's code has changed in a way the recorded steps of an enrollment do not fit."""

    default_code = "code_drift"


@dataclass(frozen=True, slots=True)
class Pause:
    """The function waits: settle what was done and come back when the wait is resolved."""

    wait: NewWait


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody else owns the enrollment, or it is over: write nothing."""


@dataclass(frozen=True, slots=True)
class Later:
    """Something outside is busy: the same advance again after a while."""

    after_seconds: float
    reason: str


Stop = Pause | Lost | Later


@coroutine
def suspend(stop: Stop) -> Generator[Stop, None, NoReturn]:
    """Hand control to the driver for good; nothing the author writes can prevent it."""
    yield stop
    raise RuntimeError("a suspended journey was resumed")


@coroutine
def drive(journey: Any, on_turn: Any) -> Generator[Any, Any, Stop | None]:
    """Run a journey's coroutine until it returns (None) or suspends; raises what it raises.

    ``on_turn(begins)`` is called around every stretch that the function runs without a pause of
    the event loop.
    """
    turn, argument = journey.send, None
    while True:
        on_turn(True)
        try:
            yielded = turn(argument)
        except StopIteration:
            return None
        finally:
            on_turn(False)
        if isinstance(yielded, Pause | Lost | Later):
            return yielded
        try:
            argument = yield yielded
            turn = journey.send
        except BaseException as error:  # whatever the loop throws belongs to the function
            turn, argument = journey.throw, error
