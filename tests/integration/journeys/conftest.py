from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hogsend.app import App
from hogsend.db import Database
from tests.integration.journeys.world import World

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(database: Database) -> Iterator[MakeWorld]:
    """Builds a world around an app; closed after the test."""
    made: list[World] = []

    def make(app: App, **options: object) -> World:
        world = World(app=app, database=database, **options)  # type: ignore[arg-type]
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()
