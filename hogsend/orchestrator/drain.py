"""The end of ``serve``: run the stop hook and drain handlers within one deadline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


async def run_hook(hook: Callable[[], None]) -> None:
    """Call a blocking hook off the loop, which running handlers still need."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def call() -> None:
        failure: BaseException | None = None
        try:
            hook()
        except BaseException as error:  # carried to the loop, raised there
            failure = error
        with suppress(RuntimeError):  # the loop is gone after a forced stop
            loop.call_soon_threadsafe(settle, failure)

    threading.Thread(target=call, name="on-stopping", daemon=True).start()
    await done
