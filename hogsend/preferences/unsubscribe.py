"""The links with which a person leaves, and what they say when they come back."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from hogsend.db import Executor
from hogsend.errors import InvalidInput
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.tokens import TokenError, TokenSigner, UnsubscribeAction, UnsubscribeClaims
from hogsend.preferences import store
from hogsend.preferences.models import Person

UNSUBSCRIBE_PATH = "/v1/email/unsubscribe"
PREFERENCES_PATH = "/v1/email/preferences"
# People open old mail. Laws ask for weeks; a link that outlives the mail costs nothing.
LINK_LIFE = timedelta(days=2 * 365)
TRANSACTIONAL = "transactional"

_CATEGORY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN_CHARACTERS = 4096


class Addressed(Protocol):
    """Whose choice a link changes; ``email.decorate.Addressee`` has this shape."""

    @property
    def external_id(self) -> str: ...

    @property
    def email(self) -> str: ...

    @property
    def category(self) -> str | None: ...

    @property
    def at(self) -> datetime: ...


class NoChoice(InvalidInput):
    """The mail belongs to a category nobody can leave."""

    default_code = "no_choice"


class PreferenceLinks:
    """Makes and reads the links; implements ``email.decorate.UrlMaker``.

    Equal people get equal links: nothing random is in them.
    """

    def __init__(self, base_url: str, signer: TokenSigner) -> None:
        self._base = base_url.rstrip("/")
        self._signer = signer

    def unsubscribe_url(self, person: Addressed) -> str | None:
        """Out of the category, or of everything without one; None for transactional mail."""
        if person.category == TRANSACTIONAL:
            return None
        return self._url(UNSUBSCRIBE_PATH, person, "unsubscribe", person.category)

    def preferences_url(self, person: Addressed) -> str | None:
        """The page with every choice."""
        return self._url(PREFERENCES_PATH, person, "manage", None)

    def read(self, token: str, *, now: datetime) -> UnsubscribeClaims:
        """What a token says; raises TokenError, and NoChoice for one that asks too much."""
        if not token or len(token) > _TOKEN_CHARACTERS:
            raise TokenError("Malformed token")
        claims = self._signer.unsubscribe_claims(token, now=now)
        if "\0" in claims.email + claims.external_id:
            raise TokenError("Malformed token payload")
        if claims.category is not None and _CATEGORY.fullmatch(claims.category) is None:
            raise TokenError("Malformed token payload")
        if claims.category == TRANSACTIONAL:
            raise NoChoice("Transactional mail is always sent")
        return replace(claims, email=normalize_email(claims.email))

    def token(
        self,
        claims: UnsubscribeClaims,
        *,
        action: UnsubscribeAction,
        now: datetime,
        is_general: bool = False,
    ) -> str:
        """A fresh token for the same person; ``is_general`` drops the category."""
        category = None if is_general else claims.category
        return self._signer.mint_unsubscribe_token(
            replace(claims, action=action, category=category), now=now, life=LINK_LIFE
        )

    def _url(
        self, path: str, person: Addressed, action: UnsubscribeAction, category: str | None
    ) -> str:
        claims = UnsubscribeClaims(
            external_id=person.external_id,
            email=normalize_email(person.email),
            action=action,
            category=category,
        )
        token = self._signer.mint_unsubscribe_token(claims, now=person.at, life=LINK_LIFE)
        return f"{self._base}{path}?token={token}"


def resolve_person(db: Executor, claims: UnsubscribeClaims) -> Person:
    """Whose preferences a token is about, today.

    Keys in a token are frozen when the mail is sent; the contact may have been merged since. The
    address is the token's: that is where the mail went.
    """
    found = store.find_person(db, external_id=claims.external_id, email=claims.email)
    if found is None:
        return Person(user_id=claims.external_id, email=claims.email)
    contact_id, external_id, _ = found
    return Person(
        user_id=external_id or str(contact_id),
        email=claims.email,
        contact_id=contact_id,
        external_id=external_id,
    )
