"""Answers what the runtime asks of the database and of the outside, from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ParamSpec, TypeVar

from hogsend.db import Query
from hogsend.journeys.runtime.offload import Offload

P = ParamSpec("P")
T = TypeVar("T")


class UnknownQuestion(LookupError):
    """The runtime calls something this kit has no answer for."""


class Desk(Offload):
    """``answers`` maps a store function to what does its work in memory, without its executor.

    Work runs between the turns of the journey, as in a worker, so that it is never taken for
    something the journey itself does.
    """

    def __init__(self, answers: Mapping[Callable[..., Any], Callable[..., Any]]) -> None:
        self._answers = dict(answers)

    async def query(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer for a store function; its first argument is the executor, which is dropped."""
        answer = self._answers.get(call)
        if answer is None:
            raise UnknownQuestion(f"hogsend.testing does not know {call.__module__}.{call}")
        return await _between_turns(partial(answer, *args[1:], **kwargs))

    async def effect(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it: effects are handed in by whoever builds the services."""
        return await _between_turns(partial(call, *args, **kwargs))

    def close(self) -> None:
        """Nothing runs in the background."""


class NoDatabase:
    """The executor of a world without a database."""

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        """Raises UnknownQuestion."""
        raise UnknownQuestion(f"hogsend.testing has no database for the query {query.name}")


async def _between_turns(work: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    loop.call_soon(_fulfil, future, work)
    return await future


def _fulfil(future: asyncio.Future[T], work: Callable[[], T]) -> None:
    if future.cancelled():
        return
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
