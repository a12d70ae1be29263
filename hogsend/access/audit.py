"""Who changed what: rows of ``audit_logs``, written behind the answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from uuid import UUID

import structlog

from hogsend.db import Executor, QueryFile
from hogsend.errors import HogsendError
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import JsonObject, JsonValue, iso_z
from hogsend.web.http import Request, Response
from hogsend.web.route import Handler, Route

_Q = QueryFile(__package__, "audit.sql")

UNKNOWN = "unknown"
_AUTH = "/api/auth/"
# Below these everything that changes something is written down.
_AREAS = ("/v1/admin/", "/studio/", _AUTH)
# SignIn writes these itself: it also knows the failures.
_SIGN_IN = ("/studio/sign-in", f"{_AUTH}sign-in/email")
_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
_CAPACITY = 10_000
_BATCH = 500
_RETRY_SECONDS = 5.0
_LONGEST = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act. ``actor`` is the name of a key or the address of an administrator; never a secret.

    ``action`` is ``<resource>.<method>``, or ``sign-in.refused``.
    """

    actor: str
    action: str
    resource: str
    at: datetime
    actor_key_id: UUID | None = None
    resource_id: str | None = None
    detail: JsonObject | None = None
    ip: str | None = None


class AuditLog:
    """Takes entries at once and writes them from a thread of its own; thread-safe.

    While the database is away entries are kept, ten thousand at most; then the oldest are lost
    and that is logged. The thread starts with the first entry, after any fork.
    """

    def __init__(self, db: Executor, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._entries: deque[AuditEntry] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._lost = 0

    def note(
        self,
        *,
        actor: str,
        action: str,
        resource: str,
        actor_key_id: UUID | None = None,
        resource_id: str | None = None,
        detail: JsonObject | None = None,
        ip: str | None = None,
    ) -> None:
        """Keep one entry; does no I/O."""
        entry = AuditEntry(
            actor=actor[:_LONGEST],
            action=action,
            resource=resource[:_LONGEST],
            at=self._clock.now(),
            actor_key_id=actor_key_id,
            resource_id=resource_id[:_LONGEST] if resource_id else None,
            detail=detail,
            ip=ip,
        )
        with self._changed:
            if len(self._entries) >= _CAPACITY:
                self._entries.popleft()
                self._lost += 1
            self._entries.append(entry)
            if self._thread is None and not self._is_closing:
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Write what is left, with one try from now on, and end the thread; idempotent.

        What cannot be written is lost and counted in the log.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._entries or self._is_closing)
                batch = list(islice(self._entries, _BATCH))
                is_last_try = self._is_closing
            is_written = not batch or self._write(batch)
            with self._changed:
                if is_written:
                    # Entries that were pushed out meanwhile are no longer at the front.
                    for entry in batch:
                        if self._entries and self._entries[0] is entry:
                            self._entries.popleft()
                if self._is_closing and not self._entries:
                    return
                if is_last_try and not is_written:
                    structlog.get_logger().error("audit.entries_lost", entries=len(self._entries))
                    return
                if not is_written and not self._is_closing:
                    self._changed.wait(timeout=_RETRY_SECONDS)

    def _write(self, batch: Sequence[AuditEntry]) -> bool:
        log = structlog.get_logger()
        if self._lost:
            log.error("audit.entries_lost", entries=self._lost)
            self._lost = 0
        try:
            insert(self._db, batch)
        except HogsendError as error:
            log.warning("audit.write_failed", entries=len(batch), error=error.message)
            return False
        return True


class AuditTrail:
    """Writes down what administrators change through routes."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    def over(self, routes: Sequence[Route]) -> list[Route]:
        """The routes; those of administrators that change something are audited."""
        return [
            replace(route, handler=self._audited(route.method, route.handler))
            if _is_audited(route)
            else route
            for route in routes
        ]

    def _audited(self, method: str, handler: Handler) -> Handler:
        def respond(req: Request, resp: Response, **params: str) -> None:
            handler(req, resp, **params)
            if resp.status_code < 400:
                self._note(method, req)

        return respond

    def _note(self, method: str, req: Request) -> None:
        resource, resource_id = _named(req.path)
        principal = req.principal
        self._log.note(
            actor=principal.name if principal is not None else UNKNOWN,
            actor_key_id=_key_id(principal.id) if principal is not None else None,
            action=f"{resource}.{method.lower()}",
            resource=resource,
            resource_id=resource_id,
            ip=req.client_ip,
        )


def insert(db: Executor, entries: Sequence[AuditEntry]) -> None:
    """Write entries in one statement."""
    rows: list[JsonValue] = [
        {
            "actor": entry.actor,
            "key": str(entry.actor_key_id) if entry.actor_key_id else None,
            "action": entry.action,
            "resource": entry.resource,
            "id": entry.resource_id,
            "detail": entry.detail,
            "ip": entry.ip,
            "at": iso_z(entry.at),
        }
        for entry in entries
    ]
    db.run(_Q["insert_audit"], entries=rows)


def _is_audited(route: Route) -> bool:
    return route.method in _UNSAFE and route.path.startswith(_AREAS) and route.path not in _SIGN_IN


def _named(path: str) -> tuple[str, str | None]:
    """What was changed: the first two segments below the area."""
    area = next(area for area in _AREAS if path.startswith(area))
    resource, _, rest = path[len(area) :].partition("/")
    return resource, rest.partition("/")[0] or None


def _key_id(principal_id: str) -> UUID | None:
    """The id of an API key; the master key and administrators have none."""
    try:
        return UUID(principal_id)
    except ValueError:
        return None
