"""Lua files beside the code that runs them."""

from __future__ import annotations

import functools
from importlib.resources import files


@functools.cache
def load_script(name: str) -> str:
    """The text of ``hogsend/kv/<name>.lua``; also from inside the pyz."""
    return files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
