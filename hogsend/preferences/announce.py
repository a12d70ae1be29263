"""Tells the outside what people said: ``contact.unsubscribed`` and ``contact.subscribed``."""

from __future__ import annotations

from hogsend.contacts.announce import Announcer
from hogsend.db import Transaction
from hogsend.kernel.wire_json import JsonObject
from hogsend.preferences.models import PreferenceChange


class AnnouncesChanges:
    """A ``ChangeListener``: one promise per change, in the transaction that made it.

    An address without a contact is nobody the outside knows: nothing is announced.
    """

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    def preference_changed(self, tx: Transaction, change: PreferenceChange) -> None:
        """Announce one change."""
        person = change.person
        if person.contact_id is None:
            return
        data: JsonObject = {
            "externalId": person.external_id,
            "email": person.email,
            "category": change.category,
            "scope": "all" if change.category is None else "category",
        }
        if change.subscribed:
            data["source"] = change.source
        event = "contact.subscribed" if change.subscribed else "contact.unsubscribed"
        self._announcer.announce(tx, event, person.contact_id, data)
