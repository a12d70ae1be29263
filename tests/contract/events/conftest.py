from __future__ import annotations

from collections.abc import Mapping

import pytest

from hogsend.db import Database
from hogsend.events import api as events_api
from hogsend.events.ingest import Ingest
from hogsend.events.matching import Matches
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue
from hogsend.preferences.contact_lists import ContactLists
from hogsend.preferences.lists import ListRegistry, define_list
from hogsend.preferences.write import PreferenceWriter
from tests.contract.data_plane import DataPlane


class Content:
    """``welcome`` starts on ``signup`` and ends on ``paid`` with an amount."""

    def match(self, event: str, properties: Mapping[str, JsonValue]) -> Matches:
        if event == "signup":
            return Matches(starts=("welcome",))
        if event == "paid":
            return Matches(exits=(("welcome", "amount" in properties),))
        return Matches()

    def poke(self) -> None:
        """Nobody to wake."""


@pytest.fixture
def served(database: Database) -> DataPlane:
    return serve(DataPlane(database))


def serve(plane: DataPlane, *, is_suspended: bool = False) -> DataPlane:
    """The two routes over the plane's database."""
    ingest = Ingest(db=plane.db, matcher=Content(), nudge=Content(), new_id=uuid7)
    registry = ListRegistry([define_list("digest", name="Digest")])
    api = events_api.EventsApi(
        sink=ingest,
        bulk=ingest,
        signer=plane.signer,
        clock=plane.clock,
        lists=ContactLists(plane.db, registry, PreferenceWriter(plane.db)),
        is_suspended=is_suspended,
    )
    plane.serve(events_api.routes(api, plane.guards))
    return plane
