"""Sends what ``Outbox`` wrote. One relay works at a time; further ones stand by."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from hogsend.client.api import Hogsend
from hogsend.client.errors import (
    BadRequest,
    HogsendClientError,
    RateLimited,
    ServerFailed,
    Unreachable,
)
from hogsend.client.models import BatchItem
from hogsend.client.outbox import Outbox

_BATCH = 200
_POLL_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
# hashtext of this and the table is the advisory lock that makes relays take turns.
_LOCK = "hogsend:outbox:"
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


class Connection(Protocol):
    """A DB-API connection to PostgreSQL with ``%s`` parameters, not in autocommit mode."""

    def cursor(self) -> Any:
        """A cursor."""
        ...

    def commit(self) -> None:
        """Commit."""
        ...

    def rollback(self) -> None:
        """Roll back."""
        ...

    def close(self) -> None:
        """Close."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """What one round did. ``parked`` rows stay with their error until somebody looks.

    ``error`` is set when the server could not be asked; nothing was lost.
    """

    sent: int = 0
    parked: int = 0
    is_standby: bool = False
    error: HogsendClientError | None = None


class Relay:
    """Ships rows of an outbox table, oldest first, in batches.

    ``connection`` is kept for as long as the relay lives: its session holds the lock, so do not
    put a transaction pooler in between. Rows are deleted once the server has them; a relay that
    dies before that leaves them to the next one, which sends them again under the same keys.
    Wrong keys and scopes raise (401, 403): they are the operator's to mend, not the rows'.
    """

    def __init__(self, connection: Connection, client: Hogsend, outbox: Outbox) -> None:
        self._connection = connection
        self._client = client
        self._table = outbox.table
        self._size = _BATCH
        self._has_lock = False

    def run(
        self,
        *,
        wait: Callable[[float], bool],
        on_round: Callable[[Relayed], None] = lambda done: None,
    ) -> None:
        """Relay until ``wait(seconds)`` answers True (it is told to stop)."""
        failures = 0
        while True:
            done = self.relay_once()
            on_round(done)
            failures = failures + 1 if done.error is not None else 0
            if done.sent + done.parked and not failures:
                pause = 0.0
            else:
                pause = min(_POLL_SECONDS * 2.0 ** max(0, failures - 1), _LONGEST_PAUSE_SECONDS)
                if isinstance(done.error, RateLimited):
                    pause = max(pause, done.error.retry_after_seconds)
            if wait(pause):
                return

    def relay_once(self) -> Relayed:
        """Send one batch; raises Unauthorized and Forbidden."""
        if not self._take_lock():
            return Relayed(is_standby=True)
        rows = self._oldest()
        if not rows:
            return Relayed()
        try:
            items = self._client.events.send_bodies([body for _, body in rows])
        except (Unreachable, ServerFailed, RateLimited) as error:
            return Relayed(error=error)
        except BadRequest as error:
            return self._too_much(rows, error)
        self._size = _BATCH
        return self._settle(rows, items)

    def _too_much(self, rows: Sequence[tuple[int, Any]], error: BadRequest) -> Relayed:
        """The request as a whole was refused (413): try less at a time, then give up on one."""
        if len(rows) > 1:
            self._size = len(rows) // 2
            return self.relay_once()
        self._size = _BATCH
        self._write(
            f"UPDATE {self._table} SET parked_at = now(), last_error = %s WHERE id = %s",  # noqa: S608
            [(str(error), rows[0][0])],
        )
        return Relayed(parked=1)

    def _settle(self, rows: Sequence[tuple[int, Any]], items: Sequence[BatchItem]) -> Relayed:
        sent, parked, later = [], [], []
        for (row_id, _), item in zip(rows, items, strict=True):
            if item.result is not None:
                sent.append((row_id,))
            elif item.status in _TRANSIENT:
                later.append((item.error or f"status {item.status}", row_id))
            else:
                parked.append((item.error or f"status {item.status}", row_id))
        self._write(f"DELETE FROM {self._table} WHERE id = %s", sent, commit=False)  # noqa: S608
        self._write(
            f"UPDATE {self._table} SET parked_at = now(), last_error = %s WHERE id = %s",  # noqa: S608
            parked,
            commit=False,
        )
        self._write(
            f"UPDATE {self._table} SET last_error = %s WHERE id = %s",  # noqa: S608
            later,
        )
        error = ServerFailed(later[0][0], status=503) if later else None
        return Relayed(sent=len(sent), parked=len(parked), error=error)

    def _take_lock(self) -> bool:
        if not self._has_lock:
            rows = self._read(
                "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (_LOCK + self._table,)
            )
            self._has_lock = bool(rows[0][0])
        return self._has_lock

    def _oldest(self) -> list[tuple[int, Any]]:
        rows = self._read(
            f"SELECT id, body FROM {self._table} WHERE parked_at IS NULL "  # noqa: S608
            "ORDER BY id LIMIT %s",
            (self._size,),
        )
        return [(int(row[0]), _decoded(row[1])) for row in rows]

    def _read(self, sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(sql, parameters)
            rows: list[tuple[Any, ...]] = list(cursor.fetchall())
        self._connection.commit()
        return rows

    def _write(self, sql: str, rows: Sequence[tuple[Any, ...]], *, commit: bool = True) -> None:
        with closing(self._connection.cursor()) as cursor:
            for parameters in rows:
                cursor.execute(sql, parameters)
        if commit:
            self._connection.commit()


def _decoded(body: Any) -> Any:
    """Some drivers decode jsonb, some do not."""
    return json.loads(body) if isinstance(body, str | bytes) else body
