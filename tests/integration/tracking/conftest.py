from __future__ import annotations

from collections.abc import Iterator

import pytest

from hogsend.db import Database
from hogsend.kv.client import Kv
from tests.integration.tracking.world import World


@pytest.fixture
def kv(redis_url: str) -> Iterator[Kv]:
    client = Kv(redis_url)
    yield client
    client.close()


@pytest.fixture
def world(database: Database, kv: Kv) -> World:
    return World(database, kv)
