"""Lists and groups: what people belong to."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from hogsend.client.models import Group, MailingList, Member, Preferences, Properties
from hogsend.client.transport import Transport


class Lists:
    """What people can join and leave."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, *, user_id: str | None = None, email: str | None = None
    ) -> tuple[MailingList, ...]:
        """The lists that exist; for somebody in particular when they are named."""
        body = self._transport.request(
            "GET", "/v1/lists", query={"userId": user_id, "email": email}
        )
        return tuple(
            MailingList(
                id=found["id"],
                name=found["name"],
                description=found.get("description"),
                default_opt_in=found["defaultOptIn"],
                kind=found["kind"],
                subscribed=found["subscribed"],
            )
            for found in body["lists"]
        )

    def subscribe(
        self, list_id: str, *, user_id: str | None = None, email: str | None = None
    ) -> None:
        """Join a list; raises NotFound for an unknown one."""
        self._set(list_id, "subscribe", user_id, email)

    def unsubscribe(
        self, list_id: str, *, user_id: str | None = None, email: str | None = None
    ) -> None:
        """Leave a list; raises NotFound for an unknown one."""
        self._set(list_id, "unsubscribe", user_id, email)

    def preferences(self, *, user_id: str | None = None, email: str | None = None) -> Preferences:
        """What somebody said."""
        body = self._transport.request(
            "GET", "/v1/lists/preferences", query={"userId": user_id, "email": email}
        )
        return Preferences(categories=body["categories"], unsubscribed_all=body["unsubscribedAll"])

    def unsubscribe_all(
        self, unsubscribed: bool = True, *, user_id: str | None = None, email: str | None = None
    ) -> None:
        """Stop every mail, or (False) allow it again."""
        self._transport.request(
            "POST",
            "/v1/lists/preferences",
            body={**_identity(user_id, email), "unsubscribedAll": unsubscribed},
        )

    def _set(self, list_id: str, verb: str, user_id: str | None, email: str | None) -> None:
        self._transport.request(
            "POST", f"/v1/lists/{quote(list_id, safe='')}/{verb}", body=_identity(user_id, email)
        )


class Groups:
    """Companies, teams, households."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def identify(
        self,
        group_type: str,
        group_key: str,
        *,
        display_name: str | None = None,
        properties: Properties | None = None,
        idempotency_key: str | None = None,
    ) -> Group:
        """Make a group or lay properties over its own (None deletes one)."""
        body: dict[str, Any] = {"groupType": group_type, "groupKey": group_key}
        if display_name is not None:
            body["displayName"] = display_name
        if properties is not None:
            body["properties"] = dict(properties)
        answer = self._transport.request(
            "POST", "/v1/groups", body=body, idempotency_key=idempotency_key
        )
        return Group.read(answer["group"])

    def get(self, group_type: str, group_key: str) -> Group:
        """One group; raises NotFound."""
        return Group.read(self._transport.request("GET", _path(group_type, group_key))["group"])

    def list(
        self, *, group_type: str | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[Group, ...]:
        """A page of groups, last seen first; 200 at most."""
        body = self._transport.request(
            "GET",
            "/v1/groups",
            query={"groupType": group_type, "limit": limit, "offset": offset},
        )
        return tuple(Group.read(found) for found in body["groups"])

    def add_member(
        self, group_type: str, group_key: str, contact_id: str, *, role: str | None = None
    ) -> bool:
        """Make a contact a member; False when they were one. Raises NotFound for nobody."""
        body = {"contactId": contact_id} | ({} if role is None else {"role": role})
        answer = self._transport.request(
            "POST", f"{_path(group_type, group_key)}/members", body=body
        )
        return bool(answer["created"])

    def list_members(
        self, group_type: str, group_key: str, *, limit: int = 50, offset: int = 0
    ) -> tuple[Member, ...]:
        """A page of members, newest first; 200 at most."""
        body = self._transport.request(
            "GET",
            f"{_path(group_type, group_key)}/members",
            query={"limit": limit, "offset": offset},
        )
        return tuple(
            Member(
                contact_id=found["contactId"],
                email=found["email"],
                external_id=found["externalId"],
                role=found["role"],
                joined_at=datetime.fromisoformat(found["joinedAt"]),
            )
            for found in body["members"]
        )

    def remove_member(self, group_type: str, group_key: str, contact_id: str) -> bool:
        """End a membership; False when there was none."""
        answer = self._transport.request(
            "DELETE", f"{_path(group_type, group_key)}/members/{quote(contact_id, safe='')}"
        )
        return bool(answer["removed"])


def _path(group_type: str, group_key: str) -> str:
    return f"/v1/groups/{quote(group_type, safe='')}/{quote(group_key, safe='')}"


def _identity(user_id: str | None, email: str | None) -> dict[str, Any]:
    if not (user_id or email):
        raise TypeError("user_id or email is required")
    given = {"userId": user_id, "email": email}
    return {name: value for name, value in given.items() if value is not None}
