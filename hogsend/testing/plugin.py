"""The pytest plugin: installed with Hogsend, found by pytest without any configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hogsend.testing.journey_test import JourneyTest


@pytest.fixture
def journey_test() -> Iterator[Callable[..., JourneyTest]]:
    """Makes a ``JourneyTest`` of a journey function: ``trip = journey_test(first_week)``.

    Keywords: ``user_id``, ``email``, ``properties``, ``timezone``, ``now``, ``app`` and the other
    fields of ``hogsend.testing.Person``.
    """
    # Imported here: the plugin is loaded in every run of pytest, also where nothing needs it.
    from hogsend.testing.journey_test import JourneyTest

    made: list[JourneyTest] = []

    def make(*args: object, **kwargs: object) -> JourneyTest:
        trip = JourneyTest(*args, **kwargs)  # type: ignore[arg-type]  # handed through
        made.append(trip)
        return trip

    yield make
    for trip in made:
        trip.close()
