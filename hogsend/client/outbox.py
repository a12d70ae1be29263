"""Events committed with your own transaction, in a small table of your own database.

An event that is sent over HTTP inside a transaction can be lost (the process dies after the
commit) or lie (the transaction rolls back). Here the event is a row of the same transaction; a
relay (``hogsend events relay``) sends what was committed, each exactly once in effect: every row
has an idempotency key, so repeating a send changes nothing.

    outbox = Outbox()
    session.add(order)
    outbox.add_to_session(session, Event(name="order.paid", user_id=order.user_id))
    session.commit()

With Django (or any DB-API cursor): ``outbox.add_with_cursor(connection.cursor(), event)``.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from hogsend.client.models import Event
from hogsend.client.transport import dump

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import Session

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?")


class Cursor(Protocol):
    """A DB-API cursor with ``%s`` parameters: psycopg, psycopg2, pg8000, Django."""

    def execute(self, operation: str, parameters: Any = ..., /) -> Any:
        """Run a statement."""
        ...


class Outbox:
    """Writes events into ``table`` of a PostgreSQL database; does not commit."""

    def __init__(self, table: str = "hogsend_outbox") -> None:
        if _TABLE.fullmatch(table) is None:
            raise ValueError(f"{table!r} is no table name")
        self.table = table
        self._insert = f"INSERT INTO {table} (idempotency_key, body) VALUES "  # noqa: S608

    @property
    def ddl(self) -> str:
        """Creates the table; put it into a migration of yours. Repeating it changes nothing."""
        index = self.table.replace(".", "_")
        return (
            f"CREATE TABLE IF NOT EXISTS {self.table} (\n"
            "  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
            "  idempotency_key text NOT NULL UNIQUE,\n"
            "  body jsonb NOT NULL,\n"
            "  parked_at timestamptz,\n"
            "  last_error text,\n"
            "  created_at timestamptz NOT NULL DEFAULT now()\n"
            ");\n"
            f"CREATE INDEX IF NOT EXISTS {index}_due_idx ON {self.table} (id)\n"
            "  WHERE parked_at IS NULL"
        )

    def add_to_session(self, session: Session | Connection, event: Event) -> str:
        """Write the event in an SQLAlchemy session or connection; answers its key."""
        from sqlalchemy import text

        key, body = _row(event)
        session.execute(
            text(f"{self._insert} (:key, CAST(:body AS jsonb))"), {"key": key, "body": body}
        )
        return key

    def add_with_cursor(self, cursor: Cursor, event: Event) -> str:
        """Write the event with a DB-API cursor; answers its key."""
        key, body = _row(event)
        cursor.execute(f"{self._insert} (%s, CAST(%s AS jsonb))", (key, body))
        return key


def _row(event: Event) -> tuple[str, str]:
    """Key and body; the time is that of the writing, however late it is sent."""
    key = event.idempotency_key or str(uuid4())
    whole = replace(event, idempotency_key=key, occurred_at=event.occurred_at or datetime.now(UTC))
    return key, json.dumps(json.loads(dump(whole.as_body())))
