"""Builds the slice."""

from __future__ import annotations

from hogsend.contacts.announce import Announcer, Silent
from hogsend.contacts.erase import Eraser
from hogsend.contacts.people import People
from hogsend.contacts.refusals import RefusalHasher
from hogsend.db import Database
from hogsend.kernel.clock import Clock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.tokens import TokenSigner
from hogsend.settings import Settings


def build_people(
    settings: Settings,
    db: Database,
    *,
    signer: TokenSigner,
    clock: Clock,
    announcer: Announcer | None = None,
) -> People:
    """What the API does to people; without an ``announcer`` the outside hears nothing."""
    told = announcer or Silent()
    return People(
        db=db,
        new_id=uuid7,
        clock=clock,
        announcer=told,
        eraser=Eraser(hasher=build_hasher(settings), signer=signer, announcer=told),
    )


def build_hasher(settings: Settings) -> RefusalHasher:
    """Hashes of addresses that stay blocked after an erasure."""
    return RefusalHasher(settings.better_auth_secret, previous=settings.better_auth_secret_previous)
