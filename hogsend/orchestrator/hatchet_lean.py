"""Loads the SDK without building what we never call, here and in the listener child.

A third of the time and 8 MB of importing ``hatchet_sdk`` are validators for the methods of its
generated REST client; we call none. pydantic can build a validator at its first call, but the
generated code does not ask for it, so pydantic is told while that code is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ClassVar

import pydantic


@contextmanager
def validators_on_demand() -> Iterator[None]:
    """What is decorated with pydantic's ``validate_call`` inside gets its validator when called."""
    build = pydantic.validate_call
    # By name: the type of the original is an overload that a partial does not repeat.
    deferred = partial(build, config=pydantic.ConfigDict(defer_build=True))
    setattr(pydantic, "validate_call", deferred)  # noqa: B010
    try:
        yield
    finally:
        setattr(pydantic, "validate_call", build)  # noqa: B010


class ListenerProcess(SpawnProcess):
    """A spawned process that loads the SDK our way, before its arguments would load it theirs."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_in_child, (), self.__dict__


class ListenerContext(SpawnContext):
    """Starts the SDK's listener."""

    Process: ClassVar[type[SpawnProcess]] = ListenerProcess


def _load_in_child() -> ListenerProcess:
    with validators_on_demand():
        import hatchet_sdk.worker.action_listener_process  # noqa: F401
    return ListenerProcess.__new__(ListenerProcess)
