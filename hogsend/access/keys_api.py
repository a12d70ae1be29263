"""``/v1/admin/api-keys``: make, list and revoke keys."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hogsend.access import store
from hogsend.access.api_keys import create_api_key
from hogsend.access.keys_schemas import (
    KeyBody,
    KeysAnswer,
    KeysQuery,
    NewKeyAnswer,
    RevokedAnswer,
    SelfAnswer,
    to_wire,
)
from hogsend.access.models import Principal
from hogsend.db import Database
from hogsend.errors import InvalidInput, NotFound
from hogsend.kernel.clock import Clock
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.http import Request, Response
from hogsend.web.route import Guard, Route

KEYS_PATH = "/v1/admin/api-keys"
SELF_PATH = "/v1/admin/api-keys/self"
KEY_PATH = "/v1/admin/api-keys/{key_id}"
_TAG = "API keys"
_USER = "user:"  # the principal of a session, see AdminGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysApi:
    """What the routes need."""

    db: Database
    clock: Clock

    def get_self(self, req: Request, resp: Response) -> None:
        """Who is asking: a key, or an administrator who signed in."""
        principal: Principal = req.principal
        if principal.id.startswith(_USER):
            resp.json({"actor": "session", "email": principal.name})
            return
        resp.json(
            {
                "actor": "api-key",
                "id": principal.id,
                "name": principal.name,
                "scopes": sorted(principal.scopes),
            }
        )

    def get_keys(self, req: Request, resp: Response) -> None:
        """A page of keys, never a secret."""
        query = req.query_model(KeysQuery)
        keys, total = store.page_api_keys(
            self.db, limit=query.limit, offset=query.offset, with_revoked=query.include_revoked
        )
        resp.json(
            {
                "keys": [to_wire(key) for key in keys],
                "total": total,
                "limit": query.limit,
                "offset": query.offset,
            }
        )

    def post_key(self, req: Request, resp: Response) -> None:
        """Make a key; the answer holds its only copy."""
        body = req.json_model(KeyBody)
        if body.expires_at is not None and body.expires_at <= self.clock.now():
            raise InvalidInput("expiresAt is in the past")
        principal: Principal = req.principal
        made, key = create_api_key(
            self.db,
            name=body.name,
            scopes=body.scopes,
            publishable=body.publishable,
            allowed_origins=body.allowed_origins or (),
            created_by=None if principal.id.startswith(_USER) else principal.name,
            expires_at=body.expires_at,
        )
        wire = to_wire(made)
        shown = ("id", "name", "keyPrefix", "scopes", "allowedOrigins", "expiresAt", "createdAt")
        resp.json({name: wire[name] for name in shown} | {"key": key}, 201)
        resp.set_header("Cache-Control", "no-store")

    def delete_key(self, req: Request, resp: Response, *, key_id: str) -> None:
        """Revoke a key; every process forgets it at once."""
        try:
            revoked = store.revoke_live_api_key(self.db, UUID(key_id))
        except ValueError:
            revoked = False
        if not revoked:
            raise NotFound("API key not found", code="api_key_not_found")
        resp.json({"revoked": True})


def routes(api: KeysApi, guard: Guard) -> list[Route]:
    """The four routes, for operators."""
    return [
        Route(method="GET", path=SELF_PATH, handler=api.get_self, guard=guard, doc=_SELF),
        Route(method="GET", path=KEYS_PATH, handler=api.get_keys, guard=guard, doc=_LIST),
        Route(method="POST", path=KEYS_PATH, handler=api.post_key, guard=guard, doc=_CREATE),
        Route(method="DELETE", path=KEY_PATH, handler=api.delete_key, guard=guard, doc=_DELETE),
    ]


_SELF = RouteDoc(
    summary="Who is asking",
    tag=_TAG,
    answers={200: Answer(description="A key or a session", model=SelfAnswer)},
)
_LIST = RouteDoc(
    summary="API keys, newest first",
    tag=_TAG,
    query=KeysQuery,
    answers={200: Answer(description="A page", model=KeysAnswer)},
)
_CREATE = RouteDoc(
    summary="Make an API key",
    tag=_TAG,
    body=KeyBody,
    body_example={"name": "shop backend", "scopes": ["ingest"]},
    answers={201: Answer(description="The key, shown this once", model=NewKeyAnswer)},
)
_DELETE = RouteDoc(
    summary="Revoke an API key",
    tag=_TAG,
    path_formats={"key_id": "uuid"},
    answers={200: Answer(description="Revoked", model=RevokedAnswer)},
    errors={404: "There is no such key, or it was revoked before"},
)
