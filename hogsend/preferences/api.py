"""``/v1/lists``: what there is, what a person gets, and joining and leaving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hogsend.access.guards import Guards
from hogsend.access.identity_gate import NO_IDENTITY, check_identity
from hogsend.access.models import Principal
from hogsend.db import Database
from hogsend.errors import InvalidInput, NotAllowed
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.clock import Clock
from hogsend.kernel.tokens import TokenSigner
from hogsend.preferences import store
from hogsend.preferences.lists import ListRegistry
from hogsend.preferences.models import Person, Preferences
from hogsend.preferences.schemas import (
    IdentityQuery,
    ListsAnswer,
    PreferencesAnswer,
    PreferencesBody,
    SubscriptionAnswer,
    SubscriptionBody,
    UnsubscribedAllAnswer,
)
from hogsend.preferences.write import PreferenceWriter
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

LISTS_PATH = "/v1/lists"
PREFERENCES_PATH = "/v1/lists/preferences"
SUBSCRIBE_PATH = "/v1/lists/{list_id}/subscribe"
UNSUBSCRIBE_PATH = "/v1/lists/{list_id}/unsubscribe"

ANONYMOUS_ONLY = "a publishable key reads preferences anonymously only, without a userToken"
_TAG = "Lists and preferences"


class PersonResolver(Protocol):
    """Finds the contact of an identity, and makes it when there is none."""

    def resolve_person(self, *, external_id: str | None, email: str | None, source: str) -> Person:
        """The preference row key; raises InvalidInput for a contact without an address."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsApi:
    """What the routes need."""

    db: Database
    registry: ListRegistry
    writer: PreferenceWriter
    resolver: PersonResolver
    signer: TokenSigner
    clock: Clock

    def get_lists(self, req: Request, resp: Response) -> None:
        """Every enabled list; ``subscribed`` is personal for a secret key and a proven user."""
        query = req.query_model(IdentityQuery)
        categories = (
            self._read(req.principal, query).categories if self._may_ask(req, query) else {}
        )
        items = []
        for found in self.registry.all():
            item: dict[str, object] = {"id": found.id, "name": found.name}
            if found.description is not None:
                item["description"] = found.description
            items.append(
                item
                | {
                    "defaultOptIn": found.default_opt_in,
                    "kind": found.kind,
                    "subscribed": found.is_subscribed(categories),
                }
            )
        resp.json({"lists": items})

    def get_preferences(self, req: Request, resp: Response) -> None:
        """Explicit answers of one person; nothing for somebody we do not know."""
        query = req.query_model(IdentityQuery)
        is_named = query.user_id is not None or query.email is not None
        if req.principal.is_publishable and is_named and not self._may_ask(req, query):
            raise NotAllowed(ANONYMOUS_ONLY)
        if not (is_named or query.anonymous_id or req.principal.is_publishable):
            raise InvalidInput(NO_IDENTITY)
        found = self._read(req.principal, query)
        resp.json({"categories": found.categories, "unsubscribedAll": found.unsubscribed_all})

    def post_preferences(self, req: Request, resp: Response) -> None:
        """Stop or allow every mail."""
        body = req.json_model(PreferencesBody)
        self._check(req.principal, body)
        person = self._person(req.principal, body)
        self.writer.set_all(
            person, subscribed=not body.unsubscribed_all, source=source_of(req.principal)
        )
        resp.json({"unsubscribedAll": body.unsubscribed_all})

    def subscribe(self, req: Request, resp: Response, *, list_id: str) -> None:
        """Join a list; repeating it changes nothing.

        A list with double opt-in answers ``subscribed: false`` until the person confirms.
        """
        self._set(req, resp, list_id, True)

    def unsubscribe(self, req: Request, resp: Response, *, list_id: str) -> None:
        """Leave a list; repeating it changes nothing."""
        self._set(req, resp, list_id, False)

    def _set(self, req: Request, resp: Response, list_id: str, subscribed: bool) -> None:
        body = req.json_model(SubscriptionBody)
        principal: Principal = req.principal
        if principal.is_publishable:
            self._check(principal, body)
        found = self.registry.get(list_id)
        self._check(principal, body)
        person = self._person(principal, body)
        self.writer.set_categories(person, {found.id: subscribed}, source=source_of(principal))
        if subscribed and found.double_opt_in:
            # A wish is noted; what holds is what the person confirmed.
            held = store.get_preferences(
                self.db, user_id=person.user_id, email=person.email, contact_id=person.contact_id
            )
            subscribed = found.is_subscribed(held.categories)
        resp.json({"list": found.id, "subscribed": subscribed})

    def _check(self, principal: Principal, body: SubscriptionBody) -> None:
        check_identity(principal, body, signer=self.signer, now=self.clock.now())

    def _person(self, principal: Principal, body: SubscriptionBody) -> Person:
        external_id = (body.user_id or "").strip() or None
        email = None if body.email is None else normalize_email(body.email)
        if external_id is None and email is None:
            raise InvalidInput(NO_IDENTITY)
        return self.resolver.resolve_person(
            external_id=external_id, email=email, source=source_of(principal)
        )

    def _may_ask(self, req: Request, query: IdentityQuery) -> bool:
        principal: Principal = req.principal
        if not principal.is_publishable:
            return True
        if query.user_token is None or query.user_id is None:
            return False
        check_identity(principal, query, signer=self.signer, now=self.clock.now())
        return True

    def _read(self, principal: Principal, query: IdentityQuery) -> Preferences:
        external_id = (query.user_id or "").strip() or None
        email = None if query.email is None else normalize_email(query.email)
        if external_id is None and email is None:
            return self._read_anonymous(principal, (query.anonymous_id or "").strip())
        found = store.find_person(self.db, external_id=external_id, email=email)
        if found is None:
            return store.get_preferences(self.db, user_id=external_id, email=email)
        contact_id, _, own_email = found
        return store.get_preferences(self.db, email=own_email or email, contact_id=contact_id)

    def _read_anonymous(self, principal: Principal, anonymous_id: str) -> Preferences:
        if not anonymous_id:
            return Preferences()
        found = store.find_anonymous(self.db, anonymous_id)
        if found is None:
            return Preferences()
        contact_id, external_id, email = found
        # Anybody can send any anonymous id: it opens nothing of somebody who has a name.
        if principal.is_publishable and (external_id is not None or email is not None):
            return Preferences()
        return store.get_preferences(self.db, email=email, contact_id=contact_id)


def source_of(principal: Principal) -> str:
    """How a change by this caller is recorded."""
    return "browser" if principal.is_publishable else "api"


def routes(api: ListsApi, guards: Guards) -> list[Route]:
    """The five routes, for publishable keys and secret keys with ``ingest``."""
    guard = guards.browser()

    def route(method: str, path: str, handler: Callable[..., None], doc: RouteDoc) -> Route:
        return Route(method=method, path=path, handler=handler, guard=guard, doc=doc)

    return [
        route("GET", LISTS_PATH, api.get_lists, _GET_LISTS),
        route("GET", PREFERENCES_PATH, api.get_preferences, _GET_PREFERENCES),
        route("POST", PREFERENCES_PATH, api.post_preferences, _POST_PREFERENCES),
        route("POST", SUBSCRIBE_PATH, api.subscribe, _subscription("Subscribe to a list", True)),
        route("POST", UNSUBSCRIBE_PATH, api.unsubscribe, _subscription("Leave a list", False)),
    ]


_GET_LISTS = RouteDoc(
    summary="Lists that exist here",
    tag=_TAG,
    description="`subscribed` is personal for a secret key that names somebody, and for a "
    "publishable key with a valid `userToken`; otherwise it is the list's default.",
    query=IdentityQuery,
    answers={
        200: Answer(
            description="The enabled lists, topics first",
            model=ListsAnswer,
            example={
                "lists": [
                    {
                        "id": "digest",
                        "name": "Weekly digest",
                        "defaultOptIn": True,
                        "kind": "topic",
                        "subscribed": True,
                    }
                ]
            },
        )
    },
)
_GET_PREFERENCES = RouteDoc(
    summary="What a person said",
    tag=_TAG,
    query=IdentityQuery,
    answers={
        200: Answer(
            description="Explicit answers; empty for somebody unknown",
            model=PreferencesAnswer,
            example={"categories": {"digest": False}, "unsubscribedAll": False},
        )
    },
)
_POST_PREFERENCES = RouteDoc(
    summary="Stop or allow every mail",
    tag=_TAG,
    body=PreferencesBody,
    body_example={"userId": "user_42", "unsubscribedAll": True},
    answers={
        200: Answer(
            description="Written",
            model=UnsubscribedAllAnswer,
            example={"unsubscribedAll": True},
        )
    },
)


def _subscription(summary: str, subscribed: bool) -> RouteDoc:
    return RouteDoc(
        summary=summary,
        tag=_TAG,
        body=SubscriptionBody,
        body_example={"email": "ada@example.com"},
        answers={
            200: Answer(
                description="Written",
                model=SubscriptionAnswer,
                example={"list": "digest", "subscribed": subscribed},
            )
        },
        errors={404: "There is no such list"},
    )
