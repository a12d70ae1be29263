"""Test journeys without a database: a virtual clock, scripted events, a mailbox.

The pytest fixture ``journey_test`` comes with the package. Strategies for hypothesis are in
``hogsend.testing.strategies``.
"""

from hogsend.testing.journey_test import JourneyTest, assert_replay_safe
from hogsend.testing.mailbox import Mail, Mailbox
from hogsend.testing.people import Deed, History, Passenger, Person, TimelineEntry
from hogsend.testing.watch import ReplayProblem
from hogsend.testing.world import World

__all__ = [
    "Deed",
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
