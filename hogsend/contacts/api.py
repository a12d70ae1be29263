"""``/v1/contacts``: assert, find, export and delete people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from hogsend.access.guards import Guards
from hogsend.access.identity_gate import BAD_PROOF, NO_IDENTITY, check_identity
from hogsend.access.limits import RateRule
from hogsend.access.models import Principal
from hogsend.access.scopes import grants
from hogsend.contacts import schemas, store
from hogsend.contacts.models import Contact, Policy, keys_of
from hogsend.contacts.people import People
from hogsend.errors import HogsendError, InvalidInput, NotAllowed, NotFound
from hogsend.kernel.clock import Clock
from hogsend.kernel.tokens import TokenError, TokenSigner
from hogsend.kernel.wire_json import iso_z
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

CONTACTS_PATH = "/v1/contacts"
FIND_PATH = "/v1/contacts/find"
ME_PATH = "/v1/contacts/me"
EXPORT_PATH = "/v1/contacts/{contact_id}/export"

NO_RECIPIENT = "anonymousId, userId, email, or userToken is required"
NOT_ADDRESSABLE = "anonymousId is not addressable"
_LISTS_OFF = "List membership is not available on this server"
_INSUFFICIENT = "Forbidden: insufficient scope"
_TAG = "Contacts"


class ListWriter(Protocol):
    """Joins and leaves lists; ``preferences.ContactLists``."""

    def check(self, lists: Mapping[str, bool]) -> None:
        """Raise a HogsendError for lists that cannot be written."""
        ...

    def apply(self, contact_id: UUID | None, lists: Mapping[str, bool], *, source: str) -> None:
        """All or none; raises a HogsendError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsApi:
    """What the routes need.

    ``exposed_traits`` are the properties a browser may read about its own person, ``exposes_email``
    whether the address is one of them. ``lists`` None refuses bodies with lists.
    """

    people: People
    signer: TokenSigner
    clock: Clock
    lists: ListWriter | None = None
    exposed_traits: tuple[str, ...] = ()
    exposes_email: bool = False

    def put_contact(self, req: Request, resp: Response) -> None:
        """Find or make a person, complete their keys, lay properties over theirs."""
        body = req.json_model(schemas.ContactBody)
        principal: Principal = req.principal
        check_identity(principal, body, signer=self.signer, now=self.clock.now())
        keys = keys_of(user_id=body.user_id, email=body.email, anonymous_id=body.anonymous_id)
        is_named = keys.external is not None or keys.email is not None
        if not is_named and (keys.anonymous is None or not principal.is_publishable):
            raise InvalidInput(NO_IDENTITY)
        if body.lists:
            self._check_lists(body.lists)
        source = "inapp" if principal.is_publishable else "api"
        resolved = self.people.upsert(
            keys,
            policy=Policy(anonymous_only=principal.is_publishable and not is_named),
            patch=body.properties,
            source=source,
            timezone=body.timezone,
        )
        if body.lists and self.lists is not None:
            try:
                self.lists.apply(resolved.contact_id, body.lists, source=_list_source(principal))
            except HogsendError as error:
                raise InvalidInput(error.message, code=error.code) from error
        resp.json(
            {
                "id": str(resolved.contact_id),
                "created": resolved.created,
                "linked": resolved.linked,
            }
        )

    def find(self, req: Request, resp: Response) -> None:
        """Everybody an address or a user id names, aliases included; perhaps nobody."""
        query = req.query_model(schemas.FindQuery)
        contacts = self._named(query.user_id, query.email)
        resp.json({"contacts": [contact.as_wire() for contact in contacts]})

    def me(self, req: Request, resp: Response) -> None:
        """What a browser may know about its own person; never 404."""
        query = req.query_model(schemas.MeQuery)
        contact = self._recipient(req.principal, query)
        answer: dict[str, object] = {"identified": False, "traits": {}}
        if contact is not None:
            answer["identified"] = contact.external_id is not None or contact.email is not None
            answer["traits"] = {
                name: contact.properties[name]
                for name in self.exposed_traits
                if name in contact.properties
            }
            if self.exposes_email and contact.email is not None:
                answer["email"] = contact.email
        resp.json(answer)

    def delete(self, req: Request, resp: Response) -> None:
        """Delete people: softly, or with their whole history when ``erase`` says so."""
        query = req.query_model(schemas.DeleteQuery)
        body = req.json_model(schemas.DeleteBody)
        contacts = self._named(body.user_id, body.email)
        if query.erase:
            self._erase(req, resp, body, contacts)
            return
        if not self.people.delete(contacts):
            raise _not_found()
        resp.json({"deleted": True})

    def export(self, req: Request, resp: Response, *, contact_id: str) -> None:
        """Everything stored about one person: whole rows, by table."""
        try:
            data = self.people.export(UUID(contact_id))
        except ValueError:
            data = None
        if data is None:
            raise _not_found()
        resp.json(
            {
                "contactId": contact_id,
                "exportedAt": iso_z(self.clock.now()),
                "data": data,
            }
        )

    def _erase(
        self, req: Request, resp: Response, body: schemas.DeleteBody, contacts: list[Contact]
    ) -> None:
        principal: Principal = req.principal
        if not grants(principal.scopes, "full-admin"):
            raise NotAllowed(_INSUFFICIENT, code="insufficient_scope")
        keys = keys_of(user_id=body.user_id, email=body.email)
        ids = [contact.id for contact in contacts] or store.find_deleted(
            self.people.db, external_id=keys.external, email=keys.email
        )
        certificates = self.people.erase(
            ids, actor=f"api-key:{principal.name}", actor_key_id=_uuid_or_none(principal.id)
        )
        if not certificates:
            raise _not_found()
        resp.json({"deleted": True, "certificates": [c.as_wire() for c in certificates]})

    def _check_lists(self, lists: Mapping[str, bool]) -> None:
        if self.lists is None:
            raise InvalidInput(_LISTS_OFF)
        try:
            self.lists.check(lists)
        except HogsendError as error:
            raise InvalidInput(error.message, code=error.code) from error

    def _named(self, user_id: str | None, email: str | None) -> list[Contact]:
        keys = keys_of(user_id=user_id, email=email)
        if not keys:
            raise InvalidInput(NO_IDENTITY)
        return store.find_contacts(self.people.db, external_id=keys.external, email=keys.email)

    def _recipient(self, principal: Principal, query: schemas.MeQuery) -> Contact | None:
        db = self.people.db
        if query.user_token:
            try:
                user_id = self.signer.user_of(query.user_token, now=self.clock.now())
            except TokenError as error:
                raise NotAllowed(BAD_PROOF) from error
            return next(iter(store.find_contacts(db, external_id=user_id)), None)
        keys = keys_of(user_id=query.user_id, email=query.email, anonymous_id=query.anonymous_id)
        if not keys:
            raise InvalidInput(NO_RECIPIENT)
        if not principal.is_publishable and (keys.external or keys.email):
            found = store.find_contacts(db, external_id=keys.external, email=keys.email)
            return next(iter(found), None)
        if keys.anonymous is None:
            return None  # a browser that names somebody without proof learns nothing
        contact = store.find_by_anonymous(db, keys.anonymous)
        if not principal.is_publishable:
            return contact
        if contact is None and store.collides_with_identified(db, keys.anonymous):
            raise NotAllowed(NOT_ADDRESSABLE)
        is_identified = contact is not None and (contact.external_id or contact.email)
        return None if is_identified else contact


def routes(api: ContactsApi, guards: Guards, *, limit: RateRule | None = None) -> list[Route]:
    """The five routes; ``limit`` counts the calls of a key."""
    browser = guards.browser(limit=limit)
    secret = guards.require_scope("ingest", limit=limit)
    admin = guards.require_scope("full-admin", limit=limit)
    return [
        Route(method="PUT", path=CONTACTS_PATH, handler=api.put_contact, guard=browser, doc=_PUT),
        Route(method="DELETE", path=CONTACTS_PATH, handler=api.delete, guard=secret, doc=_DELETE),
        Route(method="GET", path=FIND_PATH, handler=api.find, guard=secret, doc=_FIND),
        Route(method="GET", path=ME_PATH, handler=api.me, guard=browser, doc=_ME),
        Route(method="GET", path=EXPORT_PATH, handler=api.export, guard=admin, doc=_EXPORT),
    ]


def _list_source(principal: Principal) -> str:
    return "browser" if principal.is_publishable else "api"


def _not_found() -> NotFound:
    return NotFound("Contact not found", code="contact_not_found")


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None  # the master key has no row


_NOBODY = {404: "There is no such contact"}
_PUT = RouteDoc(
    summary="Find or make a contact and lay properties over theirs",
    tag=_TAG,
    body=schemas.ContactBody,
    body_example={
        "userId": "user_42",
        "email": "ada@example.com",
        "properties": {"plan": "pro", "nickname": None},
        "timezone": "Europe/Berlin",
    },
    answers={200: Answer(description="Who it is", model=schemas.UpsertAnswer)},
)
_DELETE = RouteDoc(
    summary="Delete contacts, or erase them with their history",
    tag=_TAG,
    body=schemas.DeleteBody,
    body_example={"userId": "user_42"},
    query=schemas.DeleteQuery,
    answers={200: Answer(description="Done", model=schemas.DeleteAnswer)},
    errors=_NOBODY | {403: "Erasing needs the scope full-admin"},
)
_FIND = RouteDoc(
    summary="Contacts an address or a user id names",
    tag=_TAG,
    query=schemas.FindQuery,
    answers={200: Answer(description="Perhaps nobody", model=schemas.FindAnswer)},
)
_ME = RouteDoc(
    summary="What a browser may know about its own contact",
    tag=_TAG,
    query=schemas.MeQuery,
    answers={200: Answer(description="Empty for somebody unknown", model=schemas.MeAnswer)},
)
_EXPORT = RouteDoc(
    summary="Everything stored about one contact",
    tag=_TAG,
    path_formats={"contact_id": "uuid"},
    answers={200: Answer(description="Whole rows by table", model=schemas.ExportAnswer)},
    errors=_NOBODY,
)
