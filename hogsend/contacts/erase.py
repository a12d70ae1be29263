"""Deletes everything about a person and certifies it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hogsend.contacts import store
from hogsend.contacts.announce import Announcer
from hogsend.contacts.refusals import RefusalHasher
from hogsend.db import Transaction
from hogsend.kernel.tokens import TokenSigner
from hogsend.kernel.wire_json import JsonObject, iso_z


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Proof of one erasure; says nothing about the person but the row id.

    ``removed``: rows per table. ``refusals_kept``: addresses that stay blocked, as keyed hashes.
    ``token`` signs all of it.
    """

    contact_id: UUID
    erased_at: datetime
    removed: dict[str, int]
    refusals_kept: int
    token: str = ""

    def as_wire(self) -> JsonObject:
        """The public shape; without ``token`` it is what the token signs."""
        removed: JsonObject = dict(self.removed)
        wire: JsonObject = {
            "contactId": str(self.contact_id),
            "erasedAt": iso_z(self.erased_at),
            "removed": removed,
            "refusalsKept": self.refusals_kept,
        }
        return wire | {"token": self.token} if self.token else wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Eraser:
    """Erases people for good."""

    hasher: RefusalHasher
    signer: TokenSigner
    announcer: Announcer

    def erase(
        self,
        tx: Transaction,
        contact_id: UUID,
        *,
        now: datetime,
        actor: str,
        actor_key_id: UUID | None = None,
    ) -> Certificate | None:
        """Delete every row about the person; None when there is nobody.

        Refusals (bounces, complaints, unsubscribing from everything) stay as keyed hashes of the
        address. The certificate is also written to the audit log.
        """
        person = store.lock_contact(tx, contact_id)
        if person is None:
            return None
        refusals = store.list_refusals(tx, contact_id)
        kept = {(self.hasher.hash(one.email), one.kind): one.reason for one in refusals}
        if kept:
            store.keep_refusals(
                tx,
                [{"hash": h, "kind": kind, "reason": reason} for (h, kind), reason in kept.items()],
            )
        unsigned = Certificate(
            contact_id=contact_id,
            erased_at=now,
            removed=store.erase_contact(tx, contact_id),
            refusals_kept=len(kept),
        )
        certificate = Certificate(
            contact_id=contact_id,
            erased_at=now,
            removed=unsigned.removed,
            refusals_kept=unsigned.refusals_kept,
            token=self.signer.sign(unsigned.as_wire()),
        )
        store.audit_erasure(
            tx,
            actor=actor,
            actor_key_id=actor_key_id,
            resource_id=str(contact_id),
            detail=certificate.as_wire(),
        )
        self.announcer.announce(
            tx,
            "contact.deleted",
            contact_id,
            # The row id is all that may be left of somebody who was erased.
            {"id": str(contact_id), "externalId": None, "email": None},
        )
        return certificate
