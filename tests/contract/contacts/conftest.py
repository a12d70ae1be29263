from __future__ import annotations

import pytest

from hogsend.contacts import api as contacts_api
from hogsend.contacts.announce import OutboxAnnouncer
from hogsend.contacts.erase import Eraser
from hogsend.contacts.people import People
from hogsend.contacts.refusals import RefusalHasher
from hogsend.db import Database
from hogsend.kernel.ids import uuid7
from hogsend.preferences.contact_lists import ContactLists
from hogsend.preferences.lists import ListRegistry, define_list
from hogsend.preferences.write import PreferenceWriter
from tests.contract.data_plane import SECRET, DataPlane


@pytest.fixture
def hasher() -> RefusalHasher:
    return RefusalHasher(SECRET)


@pytest.fixture
def plane(database: Database, hasher: RefusalHasher) -> DataPlane:
    served = DataPlane(database)
    announcer = OutboxAnnouncer(served.clock)
    registry = ListRegistry([define_list("digest", name="Digest")])
    api = contacts_api.ContactsApi(
        people=People(
            db=database,
            new_id=uuid7,
            clock=served.clock,
            announcer=announcer,
            eraser=Eraser(hasher=hasher, signer=served.signer, announcer=announcer),
        ),
        signer=served.signer,
        clock=served.clock,
        lists=ContactLists(database, registry, PreferenceWriter(database)),
        exposed_traits=("plan", "name"),
        exposes_email=True,
    )
    served.serve(contacts_api.routes(api, served.guards))
    return served
