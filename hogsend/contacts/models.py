"""A person, the keys that name them, and what a resolution did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.wire_json import JsonValue, iso_z


class KeyKind(StrEnum):
    """What kind of key names a contact; the values are those of ``contact_aliases``."""

    EXTERNAL = "external"
    EMAIL = "email"
    ANONYMOUS = "anonymous"
    DISCORD = "discord"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys a caller gives, at most one of each kind; make them with ``keys_of``."""

    external: str | None = None
    email: str | None = None
    anonymous: str | None = None
    discord: str | None = None

    def items(self) -> Iterator[tuple[KeyKind, str]]:
        """The keys that are there, strongest kind first."""
        for kind in KeyKind:
            value: str | None = getattr(self, kind.value)
            if value is not None:
                yield kind, value

    def __bool__(self) -> bool:
        return any(True for _ in self.items())


def keys_of(
    *,
    user_id: str | None = None,
    email: str | None = None,
    anonymous_id: str | None = None,
    discord_id: str | None = None,
) -> Keys:
    """Keys in their stored form: trimmed, blank is absent, addresses in lower case."""
    return Keys(
        external=(user_id or "").strip() or None,
        email=normalize_email(email or "") or None,
        anonymous=(anonymous_id or "").strip() or None,
        discord=(discord_id or "").strip() or None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the caller may do to people.

    ``may_create`` False observes: nobody is made, completed or merged. ``anonymous_only`` never
    touches somebody with an external id or an address, and never merges (publishable keys without
    proof).
    """

    may_create: bool = True
    anonymous_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A person some given key has to do with, as loaded and locked.

    ``named_by``: kinds of given keys that name this person. ``keyed_by``: kinds of given keys
    whose value is a key of this person under another kind, so nobody else may claim it.
    """

    id: UUID
    external_id: str | None
    email: str | None
    anonymous_id: str | None
    discord_id: str | None
    first_seen_at: datetime
    named_by: frozenset[KeyKind]
    keyed_by: frozenset[KeyKind] = frozenset()

    @property
    def key(self) -> str:
        """The canonical key: what circulates as ``userId``."""
        return self.external_id or self.anonymous_id or str(self.id)

    def column(self, kind: KeyKind) -> str | None:
        """The first key of this kind the person ever had."""
        value: str | None = getattr(self, f"{kind.value}_id" if kind != KeyKind.EMAIL else "email")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Who it is now. ``contact_id`` None: nobody, only ``key`` is known.

    ``linked`` is True for everybody who was there before, ``merged`` when there were several,
    ``claimed`` when a key is new.
    ``merged_keys`` are anonymous and row-id keys that mean this person from now on;
    ``merged_identified_keys`` are external ids of people who were merged away. ``skipped`` are
    kinds of keys that were not taken because they belong to somebody else.
    """

    contact_id: UUID | None
    key: str
    external_id: str | None = None
    email: str | None = None
    created: bool = False
    linked: bool = False
    merged: bool = False
    claimed: bool = False
    merged_keys: tuple[str, ...] = ()
    merged_identified_keys: tuple[str, ...] = ()
    skipped: tuple[KeyKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person as the API shows them."""

    id: UUID
    external_id: str | None
    email: str | None
    properties: Mapping[str, JsonValue]
    first_seen_at: datetime
    last_seen_at: datetime
    created_at: datetime
    updated_at: datetime

    def as_wire(self) -> dict[str, Any]:
        """The public shape; instants become ISO-8601 with ``Z``."""
        return {
            "id": str(self.id),
            "externalId": self.external_id,
            "email": self.email,
            "properties": self.properties,
            "firstSeenAt": iso_z(self.first_seen_at),
            "lastSeenAt": iso_z(self.last_seen_at),
            "createdAt": iso_z(self.created_at),
            "updatedAt": iso_z(self.updated_at),
        }
