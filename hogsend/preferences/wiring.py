"""Builds lists and preferences for one api process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from hogsend.access.guards import Guards
from hogsend.contacts.announce import Announcer, Silent
from hogsend.contacts.wiring import build_hasher
from hogsend.db import Database
from hogsend.kernel.clock import Clock
from hogsend.kernel.tokens import TokenSigner
from hogsend.preferences import api
from hogsend.preferences.announce import AnnouncesChanges
from hogsend.preferences.contact_lists import ContactLists
from hogsend.preferences.lists import ListDefinition, ListRegistry
from hogsend.preferences.optin import OptIns
from hogsend.preferences.persons import ContactPersons
from hogsend.preferences.write import PreferenceWriter
from hogsend.settings import Settings
from hogsend.web.route import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What other slices and the api process take from here."""

    registry: ListRegistry
    writer: PreferenceWriter
    contact_lists: ContactLists
    routes: Sequence[Route]


def build_lists(
    settings: Settings,
    *,
    db: Database,
    topics: Sequence[ListDefinition],
    guards: Guards,
    signer: TokenSigner,
    clock: Clock,
    new_id: Callable[[], UUID],
    announcer: Announcer | None = None,
) -> Lists:
    """The lists of the content that ``ENABLED_LISTS`` chooses. Raises ConfigError.

    Without an ``announcer`` the outside hears nothing.
    """
    told = announcer or Silent()
    registry = ListRegistry(topics, enabled=settings.enabled_lists)
    asking = [found.id for found in registry.all() if found.double_opt_in]
    opt_ins = OptIns(asking, clock=clock, new_id=new_id)
    writer = PreferenceWriter(
        db,
        [AnnouncesChanges(told)],
        opt_ins=opt_ins,
        forget_refusal=build_hasher(settings).forget,
    )
    lists = api.ListsApi(
        db=db,
        registry=registry,
        writer=writer,
        resolver=ContactPersons(db, new_id=new_id, announcer=told),
        signer=signer,
        clock=clock,
    )
    return Lists(
        registry=registry,
        writer=writer,
        contact_lists=ContactLists(db, registry, writer),
        routes=api.routes(lists, guards),
    )
