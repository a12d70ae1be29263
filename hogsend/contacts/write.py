"""Carries out what ``resolve`` decides: load and lock, decide, write; one transaction."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import UUID

import structlog

from hogsend.access.identity_gate import NO_IDENTITY
from hogsend.contacts import store
from hogsend.contacts.models import Keys, Policy, Resolved
from hogsend.contacts.resolve import Observe, Refuse, Write, contact_of, decide
from hogsend.db import Executor
from hogsend.db.errors import DeadlockDetected, SerializationFailure, UniqueViolation
from hogsend.errors import InvalidInput, NotAllowed
from hogsend.kernel.wire_json import JsonValue

ResultT = TypeVar("ResultT")

IDENTIFIED = "a publishable anonymous write cannot attach to or merge an identified contact"

_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.01


def resolve_contact(
    db: Executor,
    keys: Keys,
    *,
    policy: Policy,
    new_id: Callable[[], UUID],
    patch: Mapping[str, JsonValue] | None = None,
    source: str | None = None,
    timezone: str | None = None,
) -> Resolved:
    """Find, make, complete or merge the person these keys name. Two round trips.

    ``db`` is a transaction: the locks last until its end, and what loses a race raises
    SerializationFailure or DeadlockDetected, after which the whole transaction is to be repeated
    (see ``repeat``). ``patch`` is laid over the properties (null deletes); ``source`` counts only
    the first time. Raises NotAllowed when the policy forbids, InvalidInput without any key.
    """
    if not keys:
        raise InvalidInput(NO_IDENTITY)
    decision = decide(keys, store.load_identity(db, keys), policy)
    if isinstance(decision, Refuse):
        raise NotAllowed(IDENTIFIED, code="identified_contact")
    if isinstance(decision, Observe):
        return Resolved(contact_id=None, key=decision.key)
    contact_id = contact_of(decision, new_id())
    current = store.apply_resolution(
        db,
        {
            "contact": str(contact_id),
            "create": decision.survivor is None,
            "losers": [str(person.id) for person in decision.losers],
            "columns": {kind.value: value for kind, value in decision.columns},
            "aliases": [
                {"kind": alias.kind.value, "value": alias.value, "reason": alias.reason}
                for alias in decision.aliases
            ],
            "adopt": list(decision.adopt),
            "patch": None if patch is None else dict(patch),
            "source": source,
            "timezone": timezone,
        },
    )
    _note(decision, contact_id)
    return _resolved(decision, contact_id, current)


def _note(decision: Write, contact_id: UUID) -> None:
    """What an operator wants to find again; values of keys are personal and stay out."""
    log = structlog.get_logger()
    if decision.skipped:
        log.warning(
            "contact.key_refused",
            contact_id=str(contact_id),
            kinds=[kind.value for kind in decision.skipped],
        )
    if decision.losers:
        log.info(
            "contact.merged",
            contact_id=str(contact_id),
            losers=[str(person.id) for person in decision.losers],
            identified=len(decision.merged_identified_keys),
        )


def _resolved(decision: Write, contact_id: UUID, current: store.CurrentKeys) -> Resolved:
    return Resolved(
        contact_id=contact_id,
        key=current.external_id or current.anonymous_id or str(contact_id),
        external_id=current.external_id,
        email=current.email,
        created=decision.survivor is None,
        linked=decision.survivor is not None,
        merged=bool(decision.losers),
        claimed=bool(decision.aliases),
        merged_keys=decision.merged_keys,
        merged_identified_keys=decision.merged_identified_keys,
        skipped=decision.skipped,
    )


def repeat(transaction: Callable[[], ResultT]) -> ResultT:
    """Run a transaction until it loses no race, at most eight times.

    Only for transactions that can be repeated as a whole: what they wrote was rolled back.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            return transaction()
        except (DeadlockDetected, SerializationFailure, UniqueViolation):
            time.sleep(_FIRST_PAUSE_SECONDS * 2**attempt * random.random())  # noqa: S311
    return transaction()
