"""The mail templates of an app, compiled once for all worlds of a process."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from hogsend.email.templates.registry import TemplateRegistry

_State: TypeAlias = tuple[tuple[str, int, int], ...]


def load_templates(directories: Sequence[Path]) -> TemplateRegistry:
    """Like ``TemplateRegistry.load``, which takes a tenth of a second: longer than most journeys.

    A registry never changes, so worlds share it until a file of the directories does.
    """
    return _load(tuple(directories), _state_of(directories))


@functools.lru_cache(maxsize=4)
def _load(directories: tuple[Path, ...], state: _State) -> TemplateRegistry:
    return TemplateRegistry.load(directories)


def _state_of(directories: Sequence[Path]) -> _State:
    files = sorted(file for directory in directories for file in directory.rglob("*"))
    stats = [(str(file), file.stat()) for file in files]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
