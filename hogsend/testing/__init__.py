"""Test journeys without a database: a virtual clock, scripted events, a mailbox.

The pytest fixture ``journey_test`` comes with the package. Strategies for hypothesis are in
``hogsend.testing.strategies``. Names are resolved on first use: pytest loads the plugin of this
package in every run, also where nothing else of it is needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hogsend.testing.connectors import FakeConnector
    from hogsend.testing.journey_test import JourneyTest, assert_replay_safe
    from hogsend.testing.mailbox import Mail, Mailbox
    from hogsend.testing.people import Deed, History, Passenger, Person, TimelineEntry
    from hogsend.testing.watch import ReplayProblem
    from hogsend.testing.world import World

__all__ = [
    "Deed",
    "FakeConnector",
    "History",
    "JourneyTest",
    "Mail",
    "Mailbox",
    "Passenger",
    "Person",
    "ReplayProblem",
    "TimelineEntry",
    "World",
    "assert_replay_safe",
]

_HOMES = {
    "Deed": "people",
    "FakeConnector": "connectors",
    "History": "people",
    "JourneyTest": "journey_test",
    "Mail": "mailbox",
    "Mailbox": "mailbox",
    "Passenger": "people",
    "Person": "people",
    "ReplayProblem": "watch",
    "TimelineEntry": "people",
    "World": "world",
    "assert_replay_safe": "journey_test",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
