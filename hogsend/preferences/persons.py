"""From the identity in a request to the row its preferences are kept in."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from hogsend.contacts.announce import Announcer, Silent
from hogsend.contacts.models import Policy, keys_of
from hogsend.contacts.write import repeat, resolve_contact
from hogsend.db import Database
from hogsend.kernel.wire_json import JsonObject
from hogsend.preferences.models import Person
from hogsend.preferences.write import person_of

_ASSERTED = Policy()


class ContactPersons:
    """Resolves identities to contacts (``api.PersonResolver``)."""

    def __init__(
        self, db: Database, *, new_id: Callable[[], UUID], announcer: Announcer | None = None
    ) -> None:
        self._db = db
        self._new_id = new_id
        self._announcer = announcer or Silent()

    def resolve_person(self, *, external_id: str | None, email: str | None, source: str) -> Person:
        """The contact these keys name, made when there is none.

        Raises InvalidInput for a contact without an address; one made just now stays.
        """

        def once() -> Person:
            with self._db.transaction() as tx:
                found = resolve_contact(
                    tx,
                    keys_of(user_id=external_id, email=email),
                    policy=_ASSERTED,
                    new_id=self._new_id,
                    source=source,
                )
                assert found.contact_id is not None  # the policy may create
                if found.created:
                    data: JsonObject = {
                        "id": str(found.contact_id),
                        "externalId": found.external_id,
                        "email": found.email,
                        "properties": {},
                    }
                    self._announcer.announce(tx, "contact.created", found.contact_id, data)
            return person_of(found.contact_id, found.external_id, found.email)

        return repeat(once)
