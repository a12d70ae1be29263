"""May a process start on this database?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import structlog

from hogsend.db.errors import DatabaseError
from hogsend.db.schema_version import SchemaStatus

BEHIND = "Database schema is behind this build"
UNREACHABLE = "Database unreachable"

_RETRY_SECONDS = 0.5

Refusal = Literal["behind", "unreachable"]


def check_schema(
    read_schema: Callable[[], SchemaStatus],
    *,
    wait_seconds: float,
    waits_for_migration: bool = False,
    ticks: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Refusal | None:
    """None when the engine track is in sync (or ahead); otherwise why not, logged once.

    A database that does not answer is asked again for ``wait_seconds``. A schema that is behind
    refuses at once, or with ``waits_for_migration`` (workers, which may start before the
    migration has ended) only after that time. The client track never stops anything.
    """
    log = structlog.get_logger()
    deadline = ticks() + wait_seconds
    while True:
        try:
            schema = read_schema()
        except DatabaseError as error:
            if ticks() >= deadline:
                log.error(
                    UNREACHABLE,
                    error=error.message,
                    hint=f"{error.hint or 'check DATABASE_URL'}; "
                    "SKIP_SCHEMA_CHECK=true starts without a database",
                )
                return "unreachable"
            pause(_RETRY_SECONDS)
            continue
        engine = schema.engine
        if engine.in_sync:
            return None
        if waits_for_migration and ticks() < deadline:
            pause(_RETRY_SECONDS)
            continue
        log.error(
            BEHIND,
            required=engine.required,
            applied=engine.applied or "(empty)",
            pending=list(engine.pending),
            hint="run `hogsend migrate`; SKIP_SCHEMA_CHECK=true starts anyway",
        )
        return "behind"
