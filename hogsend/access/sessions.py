"""Sessions of administrators: opened, found, prolonged, ended.

They live in PostgreSQL, so a Redis that goes away signs nobody out. Only the hash of a token is
stored; the token itself is in the cookie.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hogsend.access.models import Admin
from hogsend.db import Database, Executor, QueryFile
from hogsend.kernel.clock import Clock
from hogsend.kernel.hashing import sha256_hex
from hogsend.kernel.wire_json import iso_z

_Q = QueryFile(__package__, "sessions.sql")

LIFE = timedelta(days=7)
SHORT_LIFE = timedelta(days=1)
_REFRESH_AFTER = timedelta(days=1)
_ALPHABET = string.ascii_letters + string.digits
_TOKEN_LENGTH = 32
_MAX_AGENT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser. A session that is not ``remembered`` lives a day at most."""

    id: str
    admin: Admin
    expires_at: datetime
    remembered: bool
    ip_address: str | None
    user_agent: str | None
    created_at: datetime
    updated_at: datetime


class Sessions:
    """Opens and ends sessions; ``clock`` decides what has expired."""

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def open(
        self, admin: Admin, *, remembered: bool = True, ip: str | None, agent: str | None
    ) -> tuple[Session, str]:
        """A new session and its token. Always a fresh token: a planted one is worth nothing."""
        now = self._clock.now()
        token = "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))
        session = Session(
            id=secrets.token_hex(16),
            admin=admin,
            expires_at=now + (LIFE if remembered else SHORT_LIFE),
            remembered=remembered,
            ip_address=ip,
            user_agent=agent[:_MAX_AGENT] if agent else None,
            created_at=now,
            updated_at=now,
        )
        self._db.run(
            _Q["insert_session"],
            id=session.id,
            token_hash=sha256_hex(token),
            user_id=admin.id,
            expires_at=iso_z(session.expires_at),
            remembered=remembered,
            ip=session.ip_address,
            agent=session.user_agent,
            now=iso_z(now),
        )
        return session, token

    def find(self, token: str) -> Session | None:
        """The live session of a token."""
        rows = self._db.run(
            _Q["find_session"], token_hash=sha256_hex(token), now=iso_z(self._clock.now())
        )
        return _to_session(rows[0]) if rows else None

    def is_due(self, session: Session) -> bool:
        """True when a remembered session is older than a day since it was last prolonged."""
        return (
            session.remembered and self._clock.now() >= session.expires_at - LIFE + _REFRESH_AFTER
        )

    def extend(self, session: Session) -> None:
        """Another seven days from now; the caller sends the cookie again."""
        now = self._clock.now()
        self._db.run(
            _Q["extend_session"], id=session.id, expires_at=iso_z(now + LIFE), now=iso_z(now)
        )

    def list_of(self, user_id: str) -> list[Session]:
        """Live sessions of an administrator, newest first."""
        rows = self._db.run(_Q["list_sessions"], user_id=user_id, now=iso_z(self._clock.now()))
        return [_to_session(row) for row in rows]

    def end(self, session_id: str, *, user_id: str) -> bool:
        """End one session of an administrator; False when there is none."""
        return bool(self._db.run(_Q["delete_session"], id=session_id, user_id=user_id))

    def end_others(self, session: Session) -> int:
        """End every other session of the same administrator; answers how many."""
        return end_others(self._db, user_id=session.admin.id, kept_id=session.id)


def end_others(db: Executor, *, user_id: str, kept_id: str = "") -> int:
    """End the sessions of an administrator except ``kept_id``; all of them without it."""
    return len(db.run(_Q["delete_other_sessions"], user_id=user_id, kept_id=kept_id))


def _to_session(row: tuple[Any, ...]) -> Session:
    return Session(
        id=row[0],
        expires_at=row[1],
        remembered=row[2],
        ip_address=row[3],
        user_agent=row[4],
        created_at=row[5],
        updated_at=row[6],
        admin=Admin(id=row[7], email=row[8], name=row[9], created_at=row[10]),
    )
