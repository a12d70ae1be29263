"""The one bridge from async journey code to blocking work."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Offload:
    """Two bounded thread pools, so that slow providers never hold up the database.

    A call takes and returns its database connection inside the thread: none crosses an await.
    Cancelling the awaiting task does not stop the thread.
    """

    def __init__(self, *, query_threads: int, effect_threads: int) -> None:
        self._queries = ThreadPoolExecutor(query_threads, thread_name_prefix="journey-query")
        self._effects = ThreadPoolExecutor(effect_threads, thread_name_prefix="journey-effect")

    async def query(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run short database work on a thread."""
        return await _run(self._queries, call, *args, **kwargs)

    async def effect(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that talks to somebody outside on a thread."""
        return await _run(self._effects, call, *args, **kwargs)

    def close(self) -> None:
        """Wait for what runs; nothing new is taken."""
        self._queries.shutdown(wait=True, cancel_futures=True)
        self._effects.shutdown(wait=True, cancel_futures=True)


async def _run(
    pool: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    context = contextvars.copy_context()
    bound = partial(context.run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(pool, bound)
