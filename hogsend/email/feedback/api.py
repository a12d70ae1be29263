"""``POST /v1/webhooks/email/{provider}``: verify, store, apply; the vendor repeats what fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol
from uuid import UUID

import structlog

from hogsend.db import Executor
from hogsend.email.feedback import store
from hogsend.email.feedback.base import FeedbackSource
from hogsend.email.feedback.descriptions import RECEIVE, RECEIVE_RESEND
from hogsend.errors import NotAllowed, NotFound
from hogsend.kernel.clock import Clock
from hogsend.net.signatures import BadSignature
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

PATH = "/v1/webhooks/email/{provider}"
RESEND_ALIAS = "/v1/webhooks/resend"


class Pokes(Protocol):
    """Wakes the worker's relay."""

    def poke(self) -> None: ...


class FeedbackApi:
    """401 is for signatures only: a failure of ours is a 5xx, so that the vendor tries again."""

    def __init__(
        self,
        db: Executor,
        sources: Iterable[FeedbackSource],
        *,
        policy: store.SuppressionPolicy,
        clock: Clock,
        new_id: Callable[[], UUID],
        nudge: Pokes,
    ) -> None:
        self._db = db
        self._sources = {source.name: source for source in sources}
        self._policy = policy
        self._clock = clock
        self._new_id = new_id
        self._nudge = nudge

    def receive(self, req: Request, resp: Response, *, provider: str) -> None:
        """200 for everything genuine, also for what says nothing to us and for repetitions."""
        source = self._sources.get(provider)
        if source is None:
            raise NotFound("Unknown email provider")
        body, now = req.body(), self._clock.now()
        log = structlog.get_logger().bind(provider=provider)
        try:
            event_key = source.verify(_headers(req), body, now=now)
        except BadSignature as error:
            log.warning("feedback.refused", reason=error.message)
            raise NotAllowed("Webhook verification failed", code="unauthorized") from error
        feedback = source.parse(body, event_key=event_key, now=now)
        if feedback is not None:
            outcome = store.receive_feedback(
                self._db, feedback, id=self._new_id(), policy=self._policy
            )
            log.info(
                "feedback.received",
                type=feedback.type,
                outcome=outcome,
                message_id=feedback.message_id,
            )
            if len(feedback.recipients) > 100:
                log.warning("feedback.too_many_recipients", count=len(feedback.recipients))
            self._nudge.poke()
        resp.json({"ok": True})

    def receive_resend(self, req: Request, resp: Response) -> None:
        """The older path of Resend's webhook."""
        self.receive(req, resp, provider="resend")


def routes(api: FeedbackApi) -> list[Route]:
    """Open routes: every vendor proves itself."""
    return [
        Route(method="POST", path=PATH, handler=api.receive, doc=RECEIVE),
        Route(method="POST", path=RESEND_ALIAS, handler=api.receive_resend, doc=RECEIVE_RESEND),
    ]


def _headers(req: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in req.headers.items()}
