"""Double opt-in: a list that asks for confirmation is joined by a link in a mail, with proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hogsend.db import Executor, QueryFile
from hogsend.kernel.clock import Clock
from hogsend.kernel.tokens import TokenError, TokenSigner
from hogsend.preferences.models import Person

_Q = QueryFile(__package__, "optin.sql")

CONFIRM_PATH = "/v1/email/confirm"
CONFIRM_LIFE = timedelta(days=30)
# Somebody who asks again and again for another person must not fill that person's inbox.
MAIL_PAUSE = timedelta(minutes=10)
_PURPOSE = "opt_in"
_TOKEN_CHARACTERS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """One wish to join a list."""

    id: UUID
    list_id: str
    person: Person
    requested_at: datetime
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What can be shown later: who asked when, how many mails went out, how it was confirmed."""

    list_id: str
    source: str
    requested_at: datetime
    mails: int
    confirmed_at: datetime | None
    confirmed_ip: str | None
    confirmed_user_agent: str | None


class OptIns:
    """Which lists ask twice, and the wishes to join them."""

    def __init__(self, lists: Iterable[str], *, clock: Clock, new_id: Callable[[], UUID]) -> None:
        self._lists = frozenset(lists)
        self._clock = clock
        self._new_id = new_id

    def asks(self, list_id: str | None) -> bool:
        """True for a list that is only joined by confirmation."""
        return list_id in self._lists

    def request(self, db: Executor, person: Person, list_id: str, *, source: str) -> bool:
        """Note the wish; True when a mail will ask for confirmation now."""
        rows = db.run(
            _Q["request_opt_in"],
            id=self._new_id(),
            list=list_id,
            user_id=person.user_id,
            email=person.email,
            contact_id=person.contact_id,
            source=source,
            at=self._clock.now(),
            pause_seconds=MAIL_PAUSE.total_seconds(),
        )
        return bool(rows[0][0])


class ConfirmLinks:
    """Makes and reads the link in the confirmation mail."""

    def __init__(self, base_url: str, signer: TokenSigner) -> None:
        self._base = base_url.rstrip("/")
        self._signer = signer

    def url(self, confirmation: Confirmation) -> str:
        """Equal for every mail about one wish made at the same time."""
        expires_at = confirmation.requested_at + CONFIRM_LIFE
        token = self._signer.sign(
            {
                "purpose": _PURPOSE,
                "id": str(confirmation.id),
                "exp": int(expires_at.timestamp()),
            }
        )
        return f"{self._base}{CONFIRM_PATH}?token={token}"

    def read(self, token: str, *, now: datetime) -> UUID:
        """The wish a token is about; raises TokenError."""
        if not token or len(token) > _TOKEN_CHARACTERS:
            raise TokenError("Malformed token")
        payload = self._signer.open(token)
        expiry = payload.get("exp")
        if payload.get("purpose") != _PURPOSE or not isinstance(expiry, int):
            raise TokenError("Incomplete token payload")
        if expiry < int(now.timestamp()):
            raise TokenError("Token has expired")
        try:
            return UUID(str(payload.get("id")))
        except ValueError as error:
            raise TokenError("Incomplete token payload") from error


def find_confirmation(db: Executor, confirmation_id: UUID) -> Confirmation | None:
    """One wish."""
    rows = db.run(_Q["find_confirmation"], id=confirmation_id)
    if not rows:
        return None
    found_id, list_id, user_id, email, contact_id, requested_at, confirmed_at = rows[0]
    return Confirmation(
        id=found_id,
        list_id=list_id,
        person=Person(user_id=user_id, email=email, contact_id=contact_id),
        requested_at=requested_at,
        confirmed_at=confirmed_at,
    )


def mark_confirmed(
    db: Executor, confirmation_id: UUID, *, at: datetime, ip: str, user_agent: str
) -> bool:
    """Keep the proof; False when it was kept before."""
    rows = db.run(
        _Q["mark_confirmed"], id=confirmation_id, at=at, ip=ip, user_agent=user_agent[:512]
    )
    return bool(rows)


def list_proofs(db: Executor, email: str, *, limit: int = 100) -> list[Proof]:
    """Everything an address asked to join, newest first; ``email`` is normalised."""
    return [
        Proof(
            list_id=row[0],
            source=row[1],
            requested_at=row[2],
            mails=row[3],
            confirmed_at=row[4],
            confirmed_ip=row[5],
            confirmed_user_agent=row[6],
        )
        for row in db.run(_Q["list_proofs"], email=email, limit=limit)
    ]
