"""Collects the journeys of an app, and what is wrong with them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, Unpack

from hogsend.errors import ConfigError
from hogsend.journeys.checks import check_fields, check_function
from hogsend.journeys.meta import JourneyDefinition, JourneyFields, JourneyMeta, RunFunction
from hogsend.journeys.version import hash_of

FunctionT = TypeVar("FunctionT", bound=RunFunction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong with a definition; ``place`` is ``file:line``."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class JourneyDefinitions:
    """What ``App`` is to the journeys: a registry that does no I/O.

    A wrong definition is noted, not raised, so that all of them are reported together.
    """

    def __init__(self) -> None:
        self._journeys: dict[str, JourneyDefinition] = {}
        self._problems: list[Problem] = []
        self._claimed: dict[str, tuple[str, str]] = {}

    @property
    def journeys(self) -> Mapping[str, JourneyDefinition]:
        """Every well-defined journey by id."""
        return self._journeys

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, in the order of the source, with every built-in conversion there."""
        return self.find_problems()

    def journey(self, **fields: Unpack[JourneyFields]) -> Callable[[FunctionT], FunctionT]:
        """Register an async function as a journey; see JourneyFields."""

        def register(function: FunctionT) -> FunctionT:
            self._register(function, fields)
            return function

        return register

    def find_problems(self, *, default_revenue: bool = True) -> tuple[Problem, ...]:
        """What is wrong where the conversion ``revenue`` is built in, or is not."""
        return (*self._problems, *self._cross_checked(default_revenue=default_revenue))

    def check(self, *, default_revenue: bool = True) -> None:
        """Raise ConfigError with everything that is wrong; see find_problems."""
        problems = self.find_problems(default_revenue=default_revenue)
        if problems:
            lines = "\n".join(str(problem) for problem in problems)
            raise ConfigError(f"the content cannot be used:\n{lines}")

    def _cross_checked(self, *, default_revenue: bool) -> list[Problem]:
        """What only shows when everything is defined; an app has more to compare."""
        return []

    def _register(self, function: RunFunction, fields: JourneyFields) -> None:
        place = place_of(function)
        meta = check_fields(fields)
        problems = check_function(function)
        name = f"journey {fields.get('id') or getattr(function, '__name__', '?')!r}"
        if isinstance(meta, list):
            problems = [*meta, *problems]
        problems += self._claim(fields.get("id"), place)
        if isinstance(meta, JourneyMeta) and not problems:
            self._journeys[meta.id] = JourneyDefinition(
                meta=meta, run=function, place=place, version_hash=hash_of(meta, function)
            )
        self._problems += [Problem(place=place, message=f"{name}: {p}") for p in problems]

    def _claim(self, journey_id: object, place: str) -> list[str]:
        """An id belongs to whoever names it first, also when something else is wrong there."""
        if not isinstance(journey_id, str):
            return []
        # Engines ignore the case of a task's name.
        taken = self._claimed.setdefault(journey_id.lower(), mine := (journey_id, place))
        return [] if taken is mine else [f"the id is taken by {taken[0]!r} at {taken[1]}"]


def place_of(function: object) -> str:
    """``file:line`` where a function begins."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def caller_place(depth: int = 2) -> str:
    """``file:line`` of the call of the caller."""
    frame = sys._getframe(depth)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def caller_directory(depth: int = 2) -> Path | None:
    """The directory of the file that called the caller; None in a shell."""
    file = sys._getframe(depth).f_globals.get("__file__")
    return Path(file).parent if file else None
