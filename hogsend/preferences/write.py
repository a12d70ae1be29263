"""The one way to change what a person allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from hogsend.db import Database, Transaction
from hogsend.errors import InvalidInput
from hogsend.kernel.addresses import normalize_email
from hogsend.preferences import store
from hogsend.preferences.models import Person, PreferenceChange
from hogsend.preferences.optin import OptIns

NO_EMAIL = "Contact has no email; cannot manage list membership"


class ChangeListener(Protocol):
    """Somebody who promises work when a preference changes (an outbound webhook)."""

    def preference_changed(self, tx: Transaction, change: PreferenceChange) -> None:
        """Called in the transaction that changed it."""
        ...


class PreferenceWriter:
    """Writes answers; ``listeners`` hear of each one that changed something.

    ``opt_ins`` None: no list asks for confirmation.
    """

    def __init__(
        self,
        db: Database,
        listeners: Sequence[ChangeListener] = (),
        *,
        opt_ins: OptIns | None = None,
        forget_refusal: Callable[[Transaction, str], None] | None = None,
    ) -> None:
        self._db = db
        self._forget_refusal = forget_refusal
        self._listeners = tuple(listeners)
        self._opt_ins = opt_ins

    def set_categories(
        self,
        person: Person,
        answers: Mapping[str, bool],
        *,
        source: str,
        is_confirmed: bool = False,
    ) -> list[str]:
        """Join (True) and leave (False) categories, all or none; answers which ones changed.

        A list that asks for confirmation is not joined yet: a mail is promised instead.
        ``is_confirmed``: the wish comes from the person's own mailbox, that is confirmation.
        """
        with self._db.transaction() as tx:
            # In one order: two writers must not lock the rows of two people crosswise.
            return [
                category
                for category, subscribed in sorted(answers.items())
                if not self._must_ask(tx, person, category, subscribed, source, is_confirmed)
                and self._set(tx, person, category, subscribed, source)
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

    def _must_ask(
        self,
        tx: Transaction,
        person: Person,
        category: str,
        subscribed: bool,
        source: str,
        is_confirmed: bool,
    ) -> bool:
        """Whether this wish waits for confirmation; if so it is noted."""
        if self._opt_ins is None or is_confirmed or not subscribed:
            return False
        if not self._opt_ins.asks(category):
            return False
        self._opt_ins.request(tx, person, category, source=source)
        return True

    def _set(
        self, tx: Transaction, person: Person, category: str | None, subscribed: bool, source: str
    ) -> bool:
        if subscribed and category is None and self._forget_refusal is not None:
            self._forget_refusal(tx, person.email)  # of somebody erased who had this address
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
