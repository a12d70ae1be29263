"""``POST /v1/events`` and ``POST /v1/events/batch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import structlog
from pydantic import ValidationError

from hogsend.access.guards import Guards
from hogsend.access.identity_gate import NO_IDENTITY, check_identity
from hogsend.access.limits import RateRule
from hogsend.access.models import Principal
from hogsend.errors import HogsendError, InvalidInput, NotAllowed
from hogsend.events.descriptions import POST_BATCH, POST_EVENT
from hogsend.events.models import Ingested, NewEvent
from hogsend.events.names import is_reserved
from hogsend.events.schemas import MAX_KEY_LENGTH, EventBody, to_answer, to_new_event
from hogsend.kernel.clock import Clock
from hogsend.kernel.tokens import TokenSigner
from hogsend.kernel.wire_json import loads
from hogsend.web.body import MALFORMED, check_tree, is_json
from hogsend.web.errors import issues_json, status_of
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

EVENTS_PATH = "/v1/events"
BATCH_PATH = "/v1/events/batch"
MAX_BATCH = 500

_RESERVED = "a publishable key cannot send events whose names belong to Hogsend"

_LISTS_OFF = "List membership is not available on this server"


# Counts further calls of a request that stands for many.
Charge = Callable[[Request, int], None]


class EventSink(Protocol):
    """Stores one event; ``Ingest`` or ``BatchingIngest``."""

    def ingest(self, event: NewEvent) -> Ingested:
        """Store one event."""
        ...


class BulkSink(Protocol):
    """Stores many events; ``Ingest``."""

    def ingest_many(self, events: Sequence[NewEvent]) -> list[Ingested | HogsendError]:
        """One answer per event, in order."""
        ...


class ListWriter(Protocol):
    """Joins and leaves lists for the person of an event; ``preferences.ContactLists``."""

    def apply(self, contact_id: UUID | None, lists: Mapping[str, bool], *, source: str) -> None:
        """Write memberships; the message of a HogsendError becomes ``listsError``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsApi:
    """What the two routes need. ``lists`` None answers ``listsError`` to bodies with lists."""

    sink: EventSink
    bulk: BulkSink
    signer: TokenSigner
    clock: Clock
    lists: ListWriter | None = None
    is_suspended: bool = False
    is_logged: bool = False

    def post_event(self, req: Request, resp: Response) -> None:
        """Accept one event: 202 with ``stored``, ``exits`` and ``contactKey``.

        The ``Idempotency-Key`` header wins over the field. Keys of callers live in their own
        name space, so they never meet Hogsend's own.
        """
        body = req.json_model(EventBody)
        self._check_open()
        principal: Principal = req.principal
        event = self._event(body, principal, key=_header_key(req))
        ingested = self.sink.ingest(event)
        if self.is_logged:
            _note(event, ingested)
        answer = to_answer(ingested)
        if body.lists:
            problem = self._apply_lists(principal, body.lists, ingested)
            if problem is not None:
                answer["listsError"] = problem
        resp.json(answer, 202)

    def post_batch(self, req: Request, resp: Response, *, charge: Charge | None = None) -> None:
        """Accept up to 500 events, as an array or ``{"events": […]}``.

        202 when all were accepted, 207 when some were not; ``results`` keeps the order, each
        with its own ``status``. With an ``Idempotency-Key`` header element n without a key of
        its own has ``<header>:<n>``.
        """
        items = _batch_items(req)
        self._check_open()
        if charge is not None:
            charge(req, len(items) - 1)  # the guard counted one
        header = _header_key(req)
        results: list[dict[str, object]] = [{} for _ in items]
        accepted: list[tuple[int, EventBody, NewEvent]] = []
        for index, item in enumerate(items):
            key = None if header is None else f"{header}:{index}"
            try:
                check_tree(item)
                body = EventBody.model_validate(item)
                key = body.idempotency_key or key
                accepted.append((index, body, self._event(body, req.principal, key=key)))
            except (ValidationError, HogsendError) as error:
                results[index] = _failure(error)
        answers = self.bulk.ingest_many([event for _, _, event in accepted]) if accepted else []
        if self.is_logged:
            for (_, _, event), stored in zip(accepted, answers, strict=True):
                if isinstance(stored, Ingested):
                    _note(event, stored)
        for (index, body, _), answer in zip(accepted, answers, strict=True):
            results[index] = self._result(req.principal, body, answer)
        failed = sum(1 for result in results if result["status"] != 202)
        resp.json(
            {"accepted": len(results) - failed, "failed": failed, "results": results},
            207 if failed else 202,
        )

    def _check_open(self) -> None:
        if self.is_suspended:
            raise NotAllowed("Event ingestion is suspended", code="ingest_suspended")

    def _event(self, body: EventBody, principal: Principal, *, key: str | None) -> NewEvent:
        check_identity(principal, body, signer=self.signer, now=self.clock.now())
        if principal.is_publishable and is_reserved(body.name):
            raise NotAllowed(_RESERVED, code="reserved_event")
        key = key or body.idempotency_key
        event = to_new_event(
            body,
            is_publishable=principal.is_publishable,
            idempotency_key=None if key is None else _prefixed(principal, key),
        )
        # Blank ids, or a publishable key without any id: nobody this could be about.
        is_named = event.external_id is not None or event.email is not None
        if not is_named and (event.anonymous_id is None or not principal.is_publishable):
            raise InvalidInput(NO_IDENTITY)
        return event

    def _apply_lists(
        self, principal: Principal, lists: Mapping[str, bool], ingested: Ingested
    ) -> str | None:
        # A page has proved whom it acts for by now; who is anonymous has no address.
        if self.lists is None:
            return _LISTS_OFF
        source = "browser" if principal.is_publishable else "api"
        try:
            self.lists.apply(ingested.contact_id, lists, source=source)
        except HogsendError as error:
            return error.message
        return None

    def _result(
        self,
        principal: Principal,
        body: EventBody,
        answer: Ingested | HogsendError,
    ) -> dict[str, object]:
        if isinstance(answer, HogsendError):
            return _failure(answer)
        result = {"status": 202, **to_answer(answer)}
        if body.lists:
            problem = self._apply_lists(principal, body.lists, answer)
            if problem is not None:
                result["listsError"] = problem
        return result


def routes(
    api: EventsApi,
    guards: Guards,
    *,
    limit: RateRule | None = None,
    address_limit: RateRule | None = None,
) -> list[Route]:
    """The two routes, for publishable keys and secret keys with ``ingest``."""
    guard = guards.browser(limit=limit, address_limit=address_limit)

    def post_batch(req: Request, resp: Response) -> None:
        api.post_batch(req, resp, charge=guard.charge)

    return [
        Route(method="POST", path=EVENTS_PATH, handler=api.post_event, guard=guard, doc=POST_EVENT),
        Route(method="POST", path=BATCH_PATH, handler=post_batch, guard=guard, doc=POST_BATCH),
    ]


def _note(event: NewEvent, ingested: Ingested) -> None:
    """Here and not in the ingest: a batch of many requests has no request id."""
    structlog.get_logger().debug(
        "event.ingested",
        name=event.name,
        event_id=str(ingested.event_id),
        contact_id=None if ingested.contact_id is None else str(ingested.contact_id),
        stored=ingested.stored,
    )


def _header_key(req: Request) -> str | None:
    key: str | None = req.env.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and len(key) > MAX_KEY_LENGTH:
        raise InvalidInput(f"Idempotency-Key must have at most {MAX_KEY_LENGTH} characters")
    return key or None


def _prefixed(principal: Principal, key: str) -> str:
    return f"pk:{principal.id}:{key}" if principal.is_publishable else f"api:{key}"


def _batch_items(req: Request) -> list[Any]:
    data = req.body()
    if not is_json(req.content_type):
        raise InvalidInput("Content-Type must be application/json")
    try:
        tree = loads(data)
    except ValueError as error:
        raise InvalidInput(MALFORMED) from error
    items = tree.get("events") if isinstance(tree, dict) else tree
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_BATCH:
        raise InvalidInput(f"A batch is an array of 1 to {MAX_BATCH} events")
    return items


def _failure(error: ValidationError | HogsendError) -> dict[str, object]:
    if isinstance(error, ValidationError):
        return {"status": 400, "error": "Invalid event", "issues": loads(issues_json(error))}
    return {"status": status_of(error), "error": error.message}
