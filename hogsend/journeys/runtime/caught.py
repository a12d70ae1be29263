"""Errors a journey catches: recorded, so that a replay raises the same at the same place.

Only those of other people's code, an action of a connector or the function of ``ctx.once``, are
the journey's to catch. Everything else that leaves a call of ``ctx`` decides the advance.
"""

from __future__ import annotations

import sys
from typing import Final

from hogsend.errors import HogsendError
from hogsend.journeys.models import Step
from hogsend.kernel.wire_json import JsonObject

FAILURE: Final = "failure"
"""The kind of a step that holds an error instead of an answer."""
_LONGEST_TEXT = 2000


class CaughtBefore(HogsendError):
    """Stands for a recorded error whose class is gone."""

    default_code = "caught_before"


def failure_json(error: Exception) -> JsonObject:
    """Class and text of an error."""
    kind = type(error)
    text = error.message if isinstance(error, HogsendError) else str(error)
    return {
        "module": kind.__module__,
        "class": kind.__qualname__,
        "text": text.replace("\0", "")[:_LONGEST_TEXT],
    }


def recorded_error(step: Step) -> Exception | None:
    """The error a step holds, if it holds one; it has its class and text, nothing else."""
    if step.kind != FAILURE or not isinstance(step.value, dict):
        return None
    text = str(step.value["text"])
    found: object = sys.modules.get(str(step.value["module"]))
    for name in str(step.value["class"]).split("."):
        found = getattr(found, name, None)
    if not isinstance(found, type) or not issubclass(found, Exception):
        return CaughtBefore(f"{step.value['class']}: {text}")
    error: Exception = found.__new__(found)
    error.args = (text,)
    if isinstance(error, HogsendError):
        HogsendError.__init__(error, text)
    return error
