"""Hogsend: events in, durable journeys in plain Python, email out.

Content authors import everything from here; names are resolved on first use, so that importing
the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hogsend.app import App
    from hogsend.conditions.builder import event, mail, on, prop
    from hogsend.journeys.effects.connector import ConnectorCall
    from hogsend.journeys.meta import Entry, Holdout
    from hogsend.journeys.runtime.context import JourneyContext
    from hogsend.journeys.runtime.user import JourneyUser

__version__ = "0.1.0"
__all__ = [
    "App",
    "ConnectorCall",
    "Entry",
    "Holdout",
    "JourneyContext",
    "JourneyUser",
    "__version__",
    "event",
    "mail",
    "on",
    "prop",
]

_HOMES = {
    "App": "hogsend.app",
    "ConnectorCall": "hogsend.journeys.effects.connector",
    "Entry": "hogsend.journeys.meta",
    "Holdout": "hogsend.journeys.meta",
    "JourneyContext": "hogsend.journeys.runtime.context",
    "JourneyUser": "hogsend.journeys.runtime.user",
    "event": "hogsend.conditions.builder",
    "mail": "hogsend.conditions.builder",
    "on": "hogsend.conditions.builder",
    "prop": "hogsend.conditions.builder",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
