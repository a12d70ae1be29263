"""A forgotten password: a link by mail, good for fifteen minutes and for one use."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Protocol

import structlog

from hogsend.access import store
from hogsend.access.models import Admin
from hogsend.access.passwords import check_password, hash_password, verify_password
from hogsend.access.sessions import end_others
from hogsend.db import Database, Executor, QueryFile
from hogsend.errors import HogsendError, InvalidInput
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.clock import Clock
from hogsend.kernel.hashing import sha256_hex
from hogsend.kernel.wire_json import iso_z

_Q = QueryFile(__package__, "sessions.sql")

LIFE = timedelta(minutes=15)


class InvalidResetToken(InvalidInput):
    """The token is unknown, spent or too old."""

    default_code = "INVALID_TOKEN"


class ResetMail(Protocol):
    """Sends the link; may raise HogsendError."""

    def send_reset(self, admin: Admin, token: str) -> None:
        """Promise a mail to the administrator; must not write the token to a log."""
        ...


class Resets:
    """Issues and redeems reset tokens; only their hash is stored."""

    def __init__(self, db: Database, *, clock: Clock, mail: ResetMail | None) -> None:
        self._db = db
        self._clock = clock
        self._mail = mail

    def request(self, email: str) -> None:
        """Mail a link when the address is an administrator's; never tells whether it is."""
        try:
            admin = store.find_admin(self._db, normalize_email(email.replace("\0", "")))
            if admin is None or self._mail is None:
                return
            token = secrets.token_urlsafe(24)
            self._db.run(
                _Q["insert_reset"],
                id=secrets.token_hex(16),
                identifier=_identifier(token),
                user_id=admin.id,
                expires_at=iso_z(self._clock.now() + LIFE),
            )
            self._mail.send_reset(admin, token)
        except HogsendError as error:
            # The caller must not learn from a failure that the address exists.
            structlog.get_logger().error("reset_mail.failed", code=error.code)

    def redeem(self, token: str, password: str) -> Admin | None:
        """Set the password and end every session of the administrator; answers who it is.

        Raises InvalidResetToken, and InvalidInput for a password of wrong length (the token
        stays good then).
        """
        check_password(password)
        password_hash = hash_password(password)
        with self._db.transaction() as tx:
            rows = tx.run(
                _Q["take_reset"], identifier=_identifier(token), now=iso_z(self._clock.now())
            )
            if not rows or not rows[0][1]:
                raise InvalidResetToken("Invalid token")
            user_id = str(rows[0][0])
            _set(tx, user_id, password_hash)
            end_others(tx, user_id=user_id)
            return next((a for a in store.list_admins(tx) if a.id == user_id), None)

    def change(self, admin: Admin, *, current: str, new: str, kept_session: str | None) -> None:
        """Change a known password; ``kept_session`` stays, all others end (None: all stay).

        Raises InvalidInput ``INVALID_PASSWORD`` when ``current`` is wrong.
        """
        check_password(new)
        rows = self._db.run(_Q["find_user_password"], user_id=admin.id)
        if not rows or not verify_password(current, str(rows[0][0] or "")):
            raise InvalidInput("Invalid password", code="INVALID_PASSWORD")
        password_hash = hash_password(new)
        with self._db.transaction() as tx:
            _set(tx, admin.id, password_hash)
            if kept_session is not None:
                end_others(tx, user_id=admin.id, kept_id=kept_session)


def _set(tx: Executor, user_id: str, password_hash: str) -> None:
    if not store.update_credential(tx, user_id=user_id, password_hash=password_hash):
        store.insert_credential(
            tx, row_id=secrets.token_hex(16), user_id=user_id, password_hash=password_hash
        )
    tx.run(_Q["delete_resets"], user_id=user_id)


def _identifier(token: str) -> str:
    return f"reset-password:{sha256_hex(token)}"
