"""Public tracking routes: the link, the pixel, the page behind an answer, the identity token.

Possession of an id is the permission. Unknown and malformed ids are answered like known ones
(redirect home, image), so that nothing can be learned and no reader sees an error.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, Field

from hogsend.db import Executor
from hogsend.errors import HogsendError
from hogsend.events.models import Ingested, NewEvent
from hogsend.kernel.clock import Clock
from hogsend.kernel.hashing import sha256_hex
from hogsend.kernel.tokens import TokenError
from hogsend.kv.client import Kv, KvUnavailable
from hogsend.preferences.pages import Pages, read_form
from hogsend.tracking import descriptions as docs
from hogsend.tracking import store
from hogsend.tracking.identity import IDENTITY_LIFE, PARAMETER, Identity, IdentityTokens
from hogsend.tracking.machines import classify_click, classify_open
from hogsend.tracking.models import Followed, HitPolicy
from hogsend.tracking.redirect import to_location
from hogsend.tracking.rewrite import ANSWER_PATH, CLICK_PATH, OPEN_PATH
from hogsend.tracking.visitor import read_visitor
from hogsend.web.describe import RouteDoc
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

# One transparent pixel (GIF89a, 42 bytes).
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_COMMENT_CHARACTERS = 2000


class IngestsOne(Protocol):
    """Stores one event."""

    def ingest(self, event: NewEvent) -> Ingested: ...


class Pokes(Protocol):
    """Wakes the worker's relay."""

    def poke(self) -> None: ...


class TrackingApi:
    """Handlers. ``identity`` None adds no token to redirects. One statement per request."""

    def __init__(
        self,
        db: Executor,
        *,
        home_url: str,
        clock: Clock,
        new_id: Callable[[], UUID],
        ingest: IngestsOne,
        nudge: Pokes,
        kv: Kv,
        pages: Pages,
        tokens: IdentityTokens,
        adds_identity: bool = False,
        policy: HitPolicy | None = None,
    ) -> None:
        self._db = db
        self._home = home_url
        self._clock = clock
        self._new_id = new_id
        self._ingest = ingest
        self._nudge = nudge
        self._kv = kv
        self._pages = pages
        self._tokens = tokens
        self._adds_identity = adds_identity
        self._policy = policy or HitPolicy()

    def follow(self, req: Request, resp: Response, *, link_id: str) -> None:
        """302 to where the link leads; home for an unknown one. HEAD records nothing."""
        resp.status = 302
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Robots-Tag", "noindex, nofollow")
        parsed = _to_uuid(link_id)
        url: str | None = None
        if parsed is not None and req.method == "HEAD":
            url = store.find_target(self._db, parsed)
            url = to_location(url) if url else None
        elif parsed is not None:
            url = self._record_click(req, parsed)
        # Not the property: falcon would encode a second time.
        resp.set_header("Location", url or self._home)

    def open(self, req: Request, resp: Response, *, send_id: str) -> None:
        """The pixel, whatever the id. HEAD records nothing."""
        parsed = _to_uuid(send_id)
        if parsed is not None and req.method == "GET":
            self._record_open(req, parsed)
        resp.data = PIXEL
        resp.content_type = "image/gif"
        resp.set_header("Cache-Control", "no-store, no-cache, must-revalidate")
        resp.set_header("Pragma", "no-cache")
        resp.set_header("Expires", "0")
        resp.set_header("Cross-Origin-Resource-Policy", "cross-origin")

    def answer_page(self, req: Request, resp: Response, *, link_id: str) -> None:
        """Thanks for an answer and asks for a comment; changes nothing."""
        words = self._pages.words(req)
        parsed = _to_uuid(link_id)
        answer = store.find_answer(self._db, parsed) if parsed is not None else None
        if answer is None:
            self._pages.show(
                resp, "message.html", words, status=404,
                title=words("bad_link"), text=words("bad_link_text"),
            )  # fmt: skip
            return
        given = answer.properties.get("value", next(iter(answer.properties.values()), ""))
        self._pages.show(
            resp, "answer.html", words,
            title=words("thanks"), answer=str(given), answer_text=words("your_answer"),
            question=words("tell_more"), button=words("send"), action=str(parsed),
        )  # fmt: skip

    def comment(self, req: Request, resp: Response, *, link_id: str) -> None:
        """Store the comment on an answer, once per mail and event; always thanks."""
        words = self._pages.words(req)
        comment = "".join(read_form(req).get("comment", [])).strip()
        parsed = _to_uuid(link_id)
        if parsed is not None and 0 < len(comment) <= _COMMENT_CHARACTERS:
            self._store_comment(parsed, comment)
        self._pages.show(resp, "message.html", words, title=words("thanks"), text=words("received"))

    def identify(self, req: Request, resp: Response) -> None:
        """Exchange the ``hs_t`` of a redirect for who arrived; the token is burnt."""
        body = req.json_model(IdentifyBody)
        try:
            identity = self._tokens.read(body.token, now=self._clock.now())
        except TokenError:
            resp.json({}, 400)
            return
        try:
            self._kv.put(
                f"hs_t:burn:{sha256_hex(body.token)}",
                "1",
                ttl_seconds=int(IDENTITY_LIFE.total_seconds()),
                only_new=True,
            )
        except KvUnavailable:
            structlog.get_logger().warning("tracking.burn_unavailable")
        answer = {"distinctId": identity.distinct_id, "src": identity.source}
        if identity.send_id is not None:
            answer["emailSendId"] = identity.send_id
        resp.json(answer)

    def _record_click(self, req: Request, link_id: UUID) -> str | None:
        now = self._clock.now()
        followed = store.record_click(
            self._db,
            link_id,
            read_visitor(req, classify_click),
            click_id=self._new_id(),
            at=now,
            policy=self._policy,
        )
        if followed is None:
            return None
        parameters: dict[str, str] = {}
        if self._adds_identity and followed.machine is None:
            identity = self._identity_of(followed, link_id)
            if identity is not None:
                parameters[PARAMETER] = self._tokens.mint(identity, now=now)
        return to_location(followed.url, parameters)

    def _identity_of(self, followed: Followed, link_id: UUID) -> Identity | None:
        if followed.distinct_id is not None:
            source = f"{followed.source or 'link'}:{link_id}"
            return Identity(distinct_id=followed.distinct_id, source=source)
        if followed.send_id is None:
            return None
        key = store.find_send_key(self._db, followed.send_id)
        send_id = str(followed.send_id)
        return (
            Identity(distinct_id=key, source=f"email:{send_id}", send_id=send_id) if key else None
        )

    def _record_open(self, req: Request, send_id: UUID) -> None:
        visitor = read_visitor(req, classify_open)
        try:
            is_known = store.record_open(
                self._db, send_id, visitor, hit_id=self._new_id(), at=self._clock.now()
            )
        except HogsendError as error:
            # An open that is not counted is better than a broken image in a mail.
            structlog.get_logger().warning("tracking.open_lost", error=error.message)
            return
        if is_known and visitor.machine is None:
            self._nudge.poke()

    def _store_comment(self, link_id: UUID, comment: str) -> None:
        answer = store.find_answer(self._db, link_id)
        if answer is None:
            return
        self._ingest.ingest(
            NewEvent(
                name=f"{answer.event}.comment",
                external_id=answer.reader.external_id,
                email=answer.reader.email,
                properties={
                    **answer.properties,
                    "comment": comment,
                    "parentEvent": answer.event,
                    "linkId": str(link_id),
                },
                source="tracking",
                idempotency_key=f"semc:{answer.send_id}:{answer.event}",
                may_create=False,
            )
        )


class IdentifyBody(BaseModel):
    """``POST /v1/t/identify``."""

    model_config = ConfigDict(populate_by_name=True)

    token: str = Field(min_length=1, max_length=2048)
    current_distinct_id: str | None = Field(
        default=None, alias="currentDistinctId", min_length=1, max_length=200
    )


_IDENTIFY = RouteDoc(
    summary="Who arrived with the token of a redirect",
    tag="Tracking",
    security="link",
    body=IdentifyBody,
    uses_database=False,
    answers=docs.IDENTIFY_ANSWERS,
)


def routes(api: TrackingApi) -> list[Route]:
    """Open routes; see the module's docstring."""
    return [
        Route(method="GET", path=CLICK_PATH + "{link_id}", handler=api.follow, doc=docs.FOLLOW),
        Route(method="GET", path=OPEN_PATH + "{send_id}", handler=api.open, doc=docs.OPEN),
        Route(
            method="GET",
            path=ANSWER_PATH + "{link_id}",
            handler=api.answer_page,
            doc=docs.ANSWER_PAGE,
        ),
        Route(method="POST", path=ANSWER_PATH + "{link_id}", handler=api.comment, doc=docs.COMMENT),
        Route(method="POST", path="/v1/t/identify", handler=api.identify, doc=_IDENTIFY),
    ]


def _to_uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
