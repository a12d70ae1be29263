"""Notices when a journey's own code does what a replay cannot repeat.

While a turn is watched, the interpreter reports every call. A call counts when it is made by code
that is neither Hogsend, nor the standard library, nor an installed package: reading a log line's
timestamp is nobody's mistake.
"""

from __future__ import annotations

import datetime as datetimes
import os
import random
import site
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, TypeAlias

import hogsend

ProblemKind: TypeAlias = Literal[
    "clock", "randomness", "blocking", "cancellation", "endless loop", "forgotten", "replay"
]

BUSY_SECONDS = 0.25
"""Processor time of one turn that holds up everybody else on the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayProblem:
    """What a journey does that cannot be replayed; ``place`` is ``file:line``."""

    kind: ProblemKind
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}: {self.message}"


_CLOCKS: dict[tuple[str, str], str] = {
    ("time", name): f"time.{name}()"
    for name in (
        "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
        "clock_gettime", "clock_gettime_ns", "process_time", "process_time_ns", "thread_time",
        "thread_time_ns",
    )
}  # fmt: skip
_CLOCK_PACKAGES = ("arrow", "pendulum", "django.utils.timezone")
_CLOCK_NAMES = frozenset({"now", "utcnow", "today", "tomorrow", "yesterday", "localdate"})
_BLOCKING: dict[tuple[str, str], str] = {
    ("time", "sleep"): "time.sleep()",
    ("posix", "system"): "os.system()",
    ("builtins", "input"): "input()",
}
_RANDOM_CALLS = {("posix", "urandom"), ("posix", "getrandom")}
_RANDOM_MODULES = {"random", "secrets", "uuid"}
_SAFE_UUIDS = {"uuid3", "uuid5", "__init__", "__str__", "__eq__", "__hash__"}
_BLOCKING_MODULES = {
    "socket", "ssl", "subprocess", "urllib.request", "http.client", "urllib3", "requests", "httpx"
}  # fmt: skip


class TurnWatch:
    """Collects the problems of the turns it stands around; ``home`` is the journey's file.

    While ``is_allowed()``, nothing is noticed: the function of ``ctx.once`` may do all of it.
    """

    def __init__(self, home: str, *, is_allowed: Callable[[], bool] = lambda: False) -> None:
        self.problems: dict[tuple[str, str], ReplayProblem] = {}
        self._is_allowed = is_allowed
        self._own: dict[str, bool] = {}
        self.is_closing = False
        self._file = home
        self._home = f"{Path(home).parent}{os.sep}"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around one turn."""
        busy = time.thread_time()
        before = sys.getprofile()
        sys.setprofile(self._on_call)
        try:
            yield
        finally:
            sys.setprofile(before)
        busy = time.thread_time() - busy
        if busy > BUSY_SECONDS:
            self.add("blocking", self._file, f"computes for {busy:.1f} s without a pause")

    def add(self, kind: ProblemKind, place: str, message: str) -> None:
        """Note a problem once per place and kind."""
        problem = ReplayProblem(kind=kind, place=place, message=message)
        self.problems.setdefault((kind, place), problem)

    def _on_call(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            if self._is_own(frame) and not self._is_allowed():
                self.judge_builtin(argument, _place(frame))
        elif event == "call":
            caller = frame.f_back
            if caller is None or not self._is_own(caller) or self._is_own(frame):
                return
            if not self._is_allowed():
                self._judge_call(caller, frame)

    def judge_builtin(self, function: Any, place: str) -> None:
        """A function in C is called at ``place``."""
        name = getattr(function, "__name__", "")
        owner = getattr(function, "__self__", None)
        module = str(getattr(function, "__module__", None) or getattr(owner, "__name__", ""))
        if isinstance(owner, type) and issubclass(owner, datetimes.date):
            if name in ("now", "today", "utcnow"):
                self._found("clock", place, f"{owner.__name__}.{name}()", "await ctx.now()")
        elif (module, name) in _CLOCKS:
            self._found("clock", place, _CLOCKS[module, name], "await ctx.now()")
        elif _is_shared(owner) or (module, name) in _RANDOM_CALLS:
            self._found("randomness", place, f"{name}()", "ctx.variant or ctx.once")
        elif (module, name) in _BLOCKING:
            self._found(
                "blocking", place, _BLOCKING[module, name], "asyncio.to_thread or ctx.sleep"
            )

    def judge_named(self, module: str, name: str, owner: object, place: str) -> None:
        """A function in Python is called at ``place``; ``owner`` is its ``self``.

        ``random.__init__`` without owner is a generator without a seed.
        """
        if module in _RANDOM_MODULES and not (module == "uuid" and name in _SAFE_UUIDS):
            is_unseeded = name == "__init__" and owner is None
            if owner is None or _is_shared(owner):
                what = "random.Random() without a seed" if is_unseeded else f"{module}.{name}()"
                self._found("randomness", place, what, "ctx.variant or ctx.once")
        elif name in _CLOCK_NAMES and _is_below(module, _CLOCK_PACKAGES):
            self._found("clock", place, f"{module}.{name}()", "await ctx.now()")
        elif (module, name) == ("asyncio.tasks", "sleep"):
            self._found("blocking", place, "asyncio.sleep()", "ctx.sleep")
        elif module in _BLOCKING_MODULES or module.partition(".")[0] in _BLOCKING_MODULES:
            self._found("blocking", place, f"{module}.{name}()", "asyncio.to_thread")

    def is_own_file(self, name: str) -> bool:
        """Whether a file is the author's."""
        known = self._own.get(name)
        if known is None:
            home = len(self._home) if name.startswith(self._home) else 0
            known = home > max((len(f) for f in _FOREIGN if name.startswith(f)), default=0) or not (
                home or name.startswith(_FOREIGN)
            )
            self._own[name] = known
        return known

    def _judge_call(self, caller: FrameType, called: FrameType) -> None:
        module = str(called.f_globals.get("__name__", ""))
        name, place = called.f_code.co_name, _place(caller)
        if self.is_closing and module.startswith("hogsend.journeys.runtime."):
            self._found(
                "cancellation", place, f"{called.f_locals.get('what', name)}() while being ended",
                "no finally or bare except around a pause",
            )  # fmt: skip
        elif (module, name) == ("asyncio.tasks", "sleep") and not called.f_locals.get("delay"):
            return
        elif (module, name) == ("random", "__init__"):
            if called.f_locals.get("x", 0) is None:
                self.judge_named(module, name, None, place)
        else:
            self.judge_named(module, name, called.f_locals.get("self"), place)

    def _found(self, kind: ProblemKind, place: str, what: str, instead: str) -> None:
        self.add(kind, place, f"calls {what}; use {instead} instead")

    def _is_own(self, frame: FrameType) -> bool:
        return self.is_own_file(frame.f_code.co_filename)


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _is_shared(owner: object) -> bool:
    """A generator nobody seeded: the one of the module, or the machine's."""
    if isinstance(owner, random.SystemRandom):
        return True
    return isinstance(owner, random.Random) and owner is getattr(random, "_inst", None)


_FOREIGN: tuple[str, ...] = tuple(
    {
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        f"{Path(hogsend.__file__).parent}{os.sep}",
        "<frozen",
        "<string>",
        "<attrs",
    }
)
