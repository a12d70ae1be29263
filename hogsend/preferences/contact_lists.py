"""Lists in the body of an event or a contact: joined and left with the same call."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from hogsend.db import Database
from hogsend.errors import InvalidInput
from hogsend.preferences import store
from hogsend.preferences.lists import ListRegistry
from hogsend.preferences.write import NO_EMAIL, PreferenceWriter, person_of


class ContactLists:
    """Writes a map of list ids to yes or no for a contact."""

    def __init__(self, db: Database, registry: ListRegistry, writer: PreferenceWriter) -> None:
        self._db = db
        self._registry = registry
        self._writer = writer

    def check(self, lists: Mapping[str, bool]) -> None:
        """Raise NotFound for a list that does not exist, before anything is written."""
        for list_id in lists:
            self._registry.get(list_id)

    def apply(self, contact_id: UUID | None, lists: Mapping[str, bool], *, source: str) -> None:
        """All or none; raises NotFound for an unknown list, InvalidInput without an address."""
        self.check(lists)
        found = None if contact_id is None else store.get_person(self._db, contact_id)
        if contact_id is None or found is None:
            raise InvalidInput(NO_EMAIL, code="no_email")
        self._writer.set_categories(person_of(contact_id, *found), lists, source=source)
