"""What a person allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The sum of every preference row of an address and its contact; one refusal is enough.

    ``suppressed``: the address bounced or complained. ``unsubscribed``: no mail at all.
    ``category_refused``: not this category.
    """

    suppressed: bool = False
    unsubscribed: bool = False
    category_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whose preferences are written: the row's key, address and owner.

    ``user_id`` is the external id, or the contact's id when there is none. ``contact_id`` None
    is an address without a contact.
    """

    user_id: str
    email: str
    contact_id: UUID | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Everything a person said, summed up; ``categories`` holds explicit answers only."""

    categories: Mapping[str, bool] = field(default_factory=dict)
    unsubscribed_all: bool = False
    suppressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceChange:
    """One answer that changed something. ``category`` None means every mail."""

    person: Person
    category: str | None
    subscribed: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    """One row of ``preference_changes``."""

    category: str | None
    subscribed: bool
    source: str
    changed_at: datetime
