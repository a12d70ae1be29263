"""A group and who belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hogsend.kernel.wire_json import JsonValue, iso_z


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group; ``group_type`` and ``group_key`` name it (``company``, ``acme.example``)."""

    id: UUID
    group_type: str
    group_key: str
    display_name: str | None
    properties: Mapping[str, JsonValue]
    first_seen_at: datetime
    last_seen_at: datetime
    created_at: datetime
    updated_at: datetime

    def as_wire(self) -> dict[str, Any]:
        """The public shape."""
        return {
            "id": str(self.id),
            "groupType": self.group_type,
            "groupKey": self.group_key,
            "displayName": self.display_name,
            "properties": self.properties,
            "firstSeenAt": iso_z(self.first_seen_at),
            "lastSeenAt": iso_z(self.last_seen_at),
            "createdAt": iso_z(self.created_at),
            "updatedAt": iso_z(self.updated_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A contact's place in a group; ``created`` tells whether it is new."""

    id: UUID
    group_id: UUID
    contact_id: UUID
    role: str | None
    joined_at: datetime
    created: bool

    def as_wire(self) -> dict[str, Any]:
        """The public shape, without ``created``."""
        return {
            "id": str(self.id),
            "groupId": str(self.group_id),
            "contactId": str(self.contact_id),
            "role": self.role,
            "joinedAt": iso_z(self.joined_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A contact as listed in a group."""

    contact_id: UUID
    email: str | None
    external_id: str | None
    role: str | None
    joined_at: datetime

    def as_wire(self) -> dict[str, Any]:
        """The public shape."""
        return {
            "contactId": str(self.contact_id),
            "email": self.email,
            "externalId": self.external_id,
            "role": self.role,
            "joinedAt": iso_z(self.joined_at),
        }
