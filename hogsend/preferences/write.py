"""The one way to change what a person allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from hogsend.db import Database, Transaction
from hogsend.errors import InvalidInput
from hogsend.kernel.addresses import normalize_email
from hogsend.preferences import store
from hogsend.preferences.models import Person, PreferenceChange

NO_EMAIL = "Contact has no email; cannot manage list membership"


class ChangeListener(Protocol):
    """Somebody who promises work when a preference changes (an outbound webhook)."""

    def preference_changed(self, tx: Transaction, change: PreferenceChange) -> None:
        """Called in the transaction that changed it."""
        ...


class PreferenceWriter:
    """Writes answers; ``listeners`` hear of each one that changed something."""

    def __init__(self, db: Database, listeners: Sequence[ChangeListener] = ()) -> None:
        self._db = db
        self._listeners = tuple(listeners)

    def set_categories(
        self, person: Person, answers: Mapping[str, bool], *, source: str
    ) -> list[str]:
        """Join (True) and leave (False) categories, all or none; answers which ones changed."""
        with self._db.transaction() as tx:
            # In one order: two writers must not lock the rows of two people crosswise.
            return [
                category
                for category, subscribed in sorted(answers.items())
                if self._set(tx, person, category, subscribed, source)
            ]

    def set_all(self, person: Person, *, subscribed: bool, source: str) -> bool:
        """Stop or allow every mail; False when that held before."""
        with self._db.transaction() as tx:
            return self._set(tx, person, None, subscribed, source)

    def resubscribe(self, person: Person, *, category: str | None, source: str) -> None:
        """A person's own wish to get mail again: their category, and mail at all."""
        with self._db.transaction() as tx:
            self._set(tx, person, None, True, source)
            if category is not None:
                self._set(tx, person, category, True, source)

    def _set(
        self, tx: Transaction, person: Person, category: str | None, subscribed: bool, source: str
    ) -> bool:
        changed = store.set_preference(
            tx, person, category=category, subscribed=subscribed, source=source
        )
        if changed:
            change = PreferenceChange(
                person=person, category=category, subscribed=subscribed, source=source
            )
            for listener in self._listeners:
                listener.preference_changed(tx, change)
        return changed


def person_of(contact_id: UUID, external_id: str | None, email: str | None) -> Person:
    """The row key of a contact; raises InvalidInput for one without an address."""
    if not email:
        raise InvalidInput(NO_EMAIL, code="no_email")
    return Person(
        user_id=external_id or str(contact_id),
        email=normalize_email(email),
        contact_id=contact_id,
        external_id=external_id,
    )
