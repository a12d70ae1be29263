"""What every engine refuses, found before anything is handed over."""

from __future__ import annotations

from collections.abc import Sequence

from hogsend.kernel.wire_json import dumps
from hogsend.orchestrator.port import RunRefused, RunRequest

MAX_RUN_BYTES = 3 * 1024 * 1024
"""Largest encoded input of one run; Hatchet's default message limit is 4 MiB."""

_NUL = "\\u0000"  # PostgreSQL's jsonb, and so the engine, cannot store it


def encode_inputs(runs: Sequence[RunRequest]) -> list[str]:
    """The JSON text of every input; raises RunRefused for the first that no engine stores."""
    return [_encode(run, index) for index, run in enumerate(runs)]


def _encode(run: RunRequest, index: int) -> str:
    try:
        text = dumps(run.input)
    except (ValueError, TypeError) as error:
        raise RunRefused(f"The input of a run is not JSON: {error}", index=index) from error
    if _NUL in text and "\x00" in _strings(run.input):
        raise RunRefused("The input of a run contains a NUL character", index=index)
    if len(text) > MAX_RUN_BYTES or len(text.encode()) > MAX_RUN_BYTES:
        raise RunRefused("The input of a run is larger than 3 MiB", index=index)
    return text


def _strings(value: object) -> str:
    """Every string of a JSON value, joined; an escaped backslash before u0000 is harmless."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(f"{key}{_strings(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "".join(_strings(item) for item in value)
    return ""
