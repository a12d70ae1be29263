"""What the API does to people, each in one transaction that is repeated when it loses a race."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hogsend.contacts import store
from hogsend.contacts.announce import Announcer
from hogsend.contacts.erase import Certificate, Eraser
from hogsend.contacts.models import Contact, Keys, Policy, Resolved
from hogsend.contacts.write import repeat, resolve_contact
from hogsend.db import Database
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Upsert, delete, export and erase."""

    db: Database
    new_id: Callable[[], UUID]
    clock: Clock
    announcer: Announcer
    eraser: Eraser

    def upsert(
        self,
        keys: Keys,
        *,
        policy: Policy | None = None,
        patch: Mapping[str, JsonValue] | None = None,
        source: str | None = None,
        timezone: str | None = None,
    ) -> Resolved:
        """Assert a person; announces who is new and who changed."""

        def transaction() -> Resolved:
            with self.db.transaction() as tx:
                resolved = resolve_contact(
                    tx,
                    keys,
                    policy=policy or Policy(),
                    new_id=self.new_id,
                    patch=patch,
                    source=source,
                    timezone=timezone,
                )
                event = _event_of(resolved, is_patched=bool(patch))
                if event is not None and resolved.contact_id is not None:
                    data: JsonObject = {
                        "id": str(resolved.contact_id),
                        "externalId": resolved.external_id,
                        "email": resolved.email,
                        "properties": dict(patch or {}),
                    }
                    self.announcer.announce(tx, event, resolved.contact_id, data)
                return resolved

        return repeat(transaction)

    def delete(self, found: list[Contact]) -> int:
        """Mark people deleted; one announcement each. Answers how many were still there."""

        def transaction() -> int:
            with self.db.transaction() as tx:
                gone = store.delete_contacts(tx, [contact.id for contact in found])
                for one in gone:
                    self.announcer.announce(
                        tx,
                        "contact.deleted",
                        one.id,
                        {"id": str(one.id), "externalId": one.external_id, "email": one.email},
                    )
                return len(gone)

        return repeat(transaction)

    def erase(self, ids: list[UUID], *, actor: str, actor_key_id: UUID | None) -> list[Certificate]:
        """Delete everything about these people; a certificate for each who was there."""

        def transaction() -> list[Certificate]:
            with self.db.transaction() as tx:
                made = [
                    self.eraser.erase(
                        tx,
                        contact_id,
                        now=self.clock.now(),
                        actor=actor,
                        actor_key_id=actor_key_id,
                    )
                    for contact_id in sorted(ids)
                ]
                return [certificate for certificate in made if certificate is not None]

        return repeat(transaction)

    def export(self, contact_id: UUID) -> dict[str, list[Any]] | None:
        """Whole rows by table, of one snapshot; None when there is nobody."""
        found = store.find_contact(self.db, contact_id)
        return None if found is None else store.export_contact(self.db, found.id)


def _event_of(resolved: Resolved, *, is_patched: bool) -> str | None:
    if resolved.created:
        return "contact.created"
    has_changed = is_patched or resolved.merged or resolved.claimed
    return "contact.updated" if has_changed else None
