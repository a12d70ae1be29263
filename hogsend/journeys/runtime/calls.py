"""Calls of ``ctx``: each is awaited, in order, and what goes wrong in one is not lost."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from hogsend.journeys.runtime.signals import JourneyError

if TYPE_CHECKING:
    from hogsend.journeys.runtime.passage import Passage

P = ParamSpec("P")
T = TypeVar("T")

MOST_CALLS = 1000
"""Calls between two pauses; more is a loop that never waits."""
_LONGEST_LABEL = 200


class _OnPassage(Protocol):
    @property
    def _passage(self) -> Passage: ...


S = TypeVar("S", bound=_OnPassage)
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


@dataclass(slots=True, eq=False)
class Call:
    """One call of the context that the function has written; ``place`` is ``file:line``."""

    what: str
    place: str
    coroutine: Coroutine[Any, Any, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Calls:
    """What became of the calls of one replay. Event-loop only.

    ``error`` is the first one that left a call: the function cannot make it unsaid, because a
    replay would not know of it. ``interrupted`` is a call that something else cut short.
    ``is_closed``: the outcome is decided.
    """

    error: Exception | None = None
    interrupted: str | None = None
    _open: list[Call] = field(default_factory=list)
    _task: asyncio.Task[object] | None = None
    is_closed: bool = False
    _count: int = 0

    @classmethod
    def start(cls) -> Calls:
        """For the task that runs now."""
        return cls(_task=asyncio.current_task())

    def enter(self, what: str) -> None:
        """A call begins; raises for code that cannot be replayed."""
        if self.is_closed:
            raise JourneyError(f"{what} was called after the journey had paused or ended")
        if self.error is not None:
            raise self.error
        if asyncio.current_task() is not self._task:
            raise JourneyError(
                f"{what} was called from another task",
                hint="call the context in order, without gather, create_task or wait_for",
            )
        if self.is_cancelled:
            raise asyncio.CancelledError
        self.require_uninterrupted()
        self._count += 1
        if self._count > MOST_CALLS:
            raise JourneyError(
                f"more than {MOST_CALLS} calls without a pause",
                hint="a loop in this journey never waits",
            )

    @property
    def is_cancelled(self) -> bool:
        """True when the worker stops this advance, whatever the function makes of it."""
        return self._task is not None and self._task.cancelling() > 0

    def expect(self, call: Call) -> None:
        """The function has written a call; it has to await it."""
        self._open.append(call)

    def begin(self, call: Call) -> None:
        """A written call is awaited; those written before it must have been."""
        if call in self._open:
            older = self._open.index(call)
            self._open.remove(call)
            if older and asyncio.current_task() is self._task:
                self.require_awaited()

    def require_awaited(self) -> None:
        """Raise JourneyError when a call was written and never awaited: it has done nothing."""
        forgotten, self._open = self._open, []
        if not forgotten:
            return
        _discard(forgotten)
        first = forgotten[0]
        raise JourneyError(
            f"{first.what} at {first.place} was never awaited",
            hint=f"write `await {first.what}(...)`; without it nothing happens",
        )

    def require_uninterrupted(self) -> None:
        """Raise JourneyError when a call was cut short and the function went on all the same."""
        if self.interrupted is not None:
            raise JourneyError(
                f"{self.interrupted} was interrupted and the function went on",
                hint="a call of ctx stands in no asyncio.timeout, and CancelledError passes",
            )

    def has_paused(self) -> None:
        """The replay comes past a pause: what follows is counted anew."""
        self._count = 0

    def close(self) -> None:
        """The outcome is decided: whatever the function still does has no effect."""
        self.is_closed = True
        _discard(self._open)
        self._open = []


def asked(what: str) -> Callable[[Method[S, P, T]], Method[S, P, T]]:
    """Makes a method of the context, named ``what`` in messages, one of the calls above."""

    def decorate(method: Method[S, P, T]) -> Method[S, P, T]:
        @functools.wraps(method)
        def written(self: S, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            frame = sys._getframe(1)
            call = Call(what, f"{frame.f_code.co_filename}:{frame.f_lineno}")
            passage = self._passage
            passage.calls.expect(call)
            call.coroutine = coroutine = _run(passage, call, method, self, *args, **kwargs)
            return coroutine

        return cast(Method[S, P, T], written)

    return decorate


async def _run(
    passage: Passage,
    call: Call,
    method: Method[S, P, T],
    self: S,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    calls = passage.calls
    call.coroutine = None  # it runs: nothing to discard, and no cycle
    try:
        calls.begin(call)
        passage.enter(call.what)
        check_label(call.what, kwargs.get("label"))
        return await method(self, *args, **kwargs)
    except asyncio.CancelledError:
        calls.interrupted = calls.interrupted or call.what
        raise
    except Exception as error:
        if calls.error is None and not passage.may_be_caught(error):
            calls.error = error
        raise


def check_label(what: str, label: object) -> None:
    """Raise JourneyError for a label that could not be stored."""
    if label is None:
        return
    if not isinstance(label, str) or not label.strip():
        raise JourneyError(f"the label of {what} must be a text that is not empty")
    if len(label) > _LONGEST_LABEL or "\0" in label:
        raise JourneyError(
            f"the label of {what} is longer than {_LONGEST_LABEL} characters or holds a NUL"
        )


def _discard(calls: list[Call]) -> None:
    """Close what never ran, so that Python does not complain a second time."""
    held = {task.get_coro(): task for task in _tasks()} if calls else {}
    for call in calls:
        if call.coroutine is None:
            continue
        task = held.get(call.coroutine)
        if task is not None:
            task.cancel()
        else:
            call.coroutine.close()


def _tasks() -> set[asyncio.Task[Any]]:
    try:
        return asyncio.all_tasks()
    except RuntimeError:
        return set()
