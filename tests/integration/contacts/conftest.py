from __future__ import annotations

import pytest

from hogsend.db import Database
from tests.integration.contacts.people import People


@pytest.fixture
def people(database: Database) -> People:
    return People(database)
