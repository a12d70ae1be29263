"""``/v1/groups``: name groups, read them, and say who belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from hogsend.access.guards import Guards
from hogsend.db import Database
from hogsend.errors import NotFound
from hogsend.groups import store
from hogsend.groups.models import Group
from hogsend.groups.schemas import (
    GroupAnswer,
    GroupBody,
    GroupsAnswer,
    GroupsQuery,
    MemberBody,
    MembersAnswer,
    MembershipAnswer,
    MembersQuery,
    RemovedAnswer,
)
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

GROUPS_PATH = "/v1/groups"
GROUP_PATH = "/v1/groups/{group_type}/{group_key}"
MEMBERS_PATH = "/v1/groups/{group_type}/{group_key}/members"
MEMBER_PATH = "/v1/groups/{group_type}/{group_key}/members/{contact_id}"
_TAG = "Groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsApi:
    """What the routes need."""

    db: Database

    def post_group(self, req: Request, resp: Response) -> None:
        """Make a group or change its name and properties."""
        body = req.json_model(GroupBody)
        group = store.identify_group(
            self.db,
            group_type=body.group_type,
            group_key=body.group_key,
            display_name=body.display_name,
            patch=body.properties,
        )
        resp.json({"group": group.as_wire()})

    def get_groups(self, req: Request, resp: Response) -> None:
        """A page of groups, last seen first."""
        query = req.query_model(GroupsQuery)
        found = store.list_groups(
            self.db, group_type=query.group_type, limit=query.limit, offset=query.offset
        )
        resp.json({"groups": [group.as_wire() for group in found]})

    def get_group(self, req: Request, resp: Response, *, group_type: str, group_key: str) -> None:
        """One group."""
        resp.json({"group": self._group(group_type, group_key).as_wire()})

    def post_member(self, req: Request, resp: Response, *, group_type: str, group_key: str) -> None:
        """Make a contact a member; the group is made when it is not there."""
        body = req.json_model(MemberBody)
        with self.db.transaction() as tx:
            contact_id = store.lock_contact(tx, body.contact_id)
            if contact_id is None:
                raise _no_contact(str(body.contact_id))
            membership = store.add_member(
                tx,
                group_id=store.ensure_group(tx, group_type, group_key),
                contact_id=contact_id,
                role=body.role,
            )
        resp.json({"membership": membership.as_wire(), "created": membership.created})

    def get_members(self, req: Request, resp: Response, *, group_type: str, group_key: str) -> None:
        """A page of members, newest first."""
        query = req.query_model(MembersQuery)
        group = self._group(group_type, group_key)
        found = store.list_members(self.db, group.id, limit=query.limit, offset=query.offset)
        resp.json({"members": [member.as_wire() for member in found]})

    def delete_member(
        self, req: Request, resp: Response, *, group_type: str, group_key: str, contact_id: str
    ) -> None:
        """End a membership; repeating it answers ``removed`` false."""
        try:
            member = UUID(contact_id)
        except ValueError as error:
            raise _no_contact(contact_id) from error
        removed = store.remove_member(
            self.db, group_type=group_type, group_key=group_key, contact_id=member
        )
        resp.json({"removed": removed})

    def _group(self, group_type: str, group_key: str) -> Group:
        group = store.find_group(self.db, group_type, group_key)
        if group is None:
            raise NotFound(f"Unknown group: {group_type}/{group_key}", code="unknown_group")
        return group


def _no_contact(contact_id: str) -> NotFound:
    return NotFound(f"Contact not found: {contact_id}", code="contact_not_found")


def routes(api: GroupsApi, guards: Guards) -> list[Route]:
    """The six routes, for secret keys with ``ingest``."""
    guard = guards.require_scope("ingest")

    def route(method: str, path: str, handler: Callable[..., None], doc: RouteDoc) -> Route:
        return Route(method=method, path=path, handler=handler, guard=guard, doc=doc)

    return [
        route("POST", GROUPS_PATH, api.post_group, _POST_GROUP),
        route("GET", GROUPS_PATH, api.get_groups, _GET_GROUPS),
        route("GET", GROUP_PATH, api.get_group, _GET_GROUP),
        route("POST", MEMBERS_PATH, api.post_member, _POST_MEMBER),
        route("GET", MEMBERS_PATH, api.get_members, _GET_MEMBERS),
        route("DELETE", MEMBER_PATH, api.delete_member, _DELETE_MEMBER),
    ]


_NO_GROUP = {404: "There is no such group"}
_POST_GROUP = RouteDoc(
    summary="Name a group",
    tag=_TAG,
    body=GroupBody,
    body_example={
        "groupType": "company",
        "groupKey": "acme.example",
        "displayName": "Acme",
        "properties": {"plan": "team"},
    },
    answers={200: Answer(description="The group as it is now", model=GroupAnswer)},
)
_GET_GROUPS = RouteDoc(
    summary="Groups, last seen first",
    tag=_TAG,
    query=GroupsQuery,
    answers={200: Answer(description="A page", model=GroupsAnswer)},
)
_GET_GROUP = RouteDoc(
    summary="One group",
    tag=_TAG,
    answers={200: Answer(description="The group", model=GroupAnswer)},
    errors=_NO_GROUP,
)
_POST_MEMBER = RouteDoc(
    summary="Make a contact a member",
    tag=_TAG,
    body=MemberBody,
    body_example={"contactId": "0190a8a0-0000-7000-8000-000000000000", "role": "owner"},
    answers={200: Answer(description="The membership", model=MembershipAnswer)},
    errors={404: "There is no such contact"},
)
_GET_MEMBERS = RouteDoc(
    summary="Members, newest first",
    tag=_TAG,
    query=MembersQuery,
    is_query_tolerant=True,
    answers={200: Answer(description="A page", model=MembersAnswer)},
    errors=_NO_GROUP,
)
_DELETE_MEMBER = RouteDoc(
    summary="End a membership",
    tag=_TAG,
    answers={200: Answer(description="Done", model=RemovedAnswer)},
    errors={404: "The contact id is not a UUID"},
)
