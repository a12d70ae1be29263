"""Signed tokens: ``b64url(json).b64url(HMAC-SHA256)``, the reference's form.

The HMAC covers the encoded body, base64url carries no padding, expiry is Unix seconds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from hogsend.errors import InvalidInput

USER_TOKEN_LIFE = timedelta(hours=1)
UNSUBSCRIBE_TOKEN_LIFE = timedelta(days=30)

UnsubscribeAction = Literal["unsubscribe", "resubscribe", "manage"]
_ACTIONS = ("unsubscribe", "resubscribe", "manage")


class TokenError(InvalidInput):
    """The token was not made by us, was changed, or is too old."""

    default_code = "invalid_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeClaims:
    """What an unsubscribe link says: whose mail, what to do, which category (None: all)."""

    external_id: str
    email: str
    action: UnsubscribeAction
    category: str | None = None


class TokenSigner:
    """Signs with ``secret``; also accepts what ``previous`` secrets signed, for rotation."""

    def __init__(self, secret: str, *, previous: Sequence[str] = ()) -> None:
        self._keys = [key.encode() for key in (secret, *previous)]

    def sign(self, payload: Mapping[str, object]) -> str:
        """The token of a JSON object."""
        body = _encode(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())
        return f"{body}.{_signature(self._keys[0], body)}"

    def open(self, token: str) -> dict[str, object]:
        """The object of a genuine token, whatever its age; raises TokenError otherwise."""
        body, dot, signature = token.partition(".")
        if not (body and dot and signature) or "." in signature or not token.isascii():
            raise TokenError("Malformed token")
        if not any(hmac.compare_digest(_signature(k, body), signature) for k in self._keys):
            raise TokenError("Invalid token signature")
        try:
            payload = json.loads(_decode(body))
        except (ValueError, binascii.Error) as error:
            raise TokenError("Malformed token payload") from error
        if not isinstance(payload, dict):
            raise TokenError("Malformed token payload")
        return payload

    def mint_user_token(
        self, user_id: str, *, now: datetime, life: timedelta = USER_TOKEN_LIFE
    ) -> str:
        """Proof that the holder may act as ``user_id``; minted by the customer's own server."""
        return self.sign({"userId": user_id, "exp": _expiry(now, life)})

    def user_of(self, token: str, *, now: datetime) -> str:
        """The external id a userToken proves; raises TokenError."""
        payload = self.open(token)
        user_id = payload.get("userId")
        if not isinstance(user_id, str) or not user_id:
            raise TokenError("Incomplete token payload")
        _check_expiry(payload, now)
        return user_id

    def mint_unsubscribe_token(
        self,
        claims: UnsubscribeClaims,
        *,
        now: datetime,
        life: timedelta = UNSUBSCRIBE_TOKEN_LIFE,
    ) -> str:
        """The ``token`` parameter of unsubscribe and preference links."""
        payload: dict[str, object] = {
            "externalId": claims.external_id,
            "email": claims.email,
            "action": claims.action,
            "exp": _expiry(now, life),
        }
        if claims.category is not None:
            payload["category"] = claims.category
        return self.sign(payload)

    def unsubscribe_claims(self, token: str, *, now: datetime) -> UnsubscribeClaims:
        """What an unsubscribe token says; raises TokenError with the text for the page."""
        payload = self.open(token)
        external_id, email = payload.get("externalId"), payload.get("email")
        action, category = payload.get("action"), payload.get("category")
        if (
            not isinstance(external_id, str)
            or not isinstance(email, str)
            or not (external_id and email)
            or action not in _ACTIONS
            or not (category is None or isinstance(category, str))
        ):
            raise TokenError("Incomplete token payload")
        _check_expiry(payload, now)
        return UnsubscribeClaims(
            external_id=external_id,
            email=email,
            action=cast(UnsubscribeAction, action),
            category=category,
        )


def _expiry(now: datetime, life: timedelta) -> int:
    return int((now + life).timestamp())


def _check_expiry(payload: Mapping[str, object], now: datetime) -> None:
    expiry = payload.get("exp")
    if isinstance(expiry, bool) or not isinstance(expiry, int | float):
        raise TokenError("Incomplete token payload")
    if expiry < int(now.timestamp()):
        raise TokenError("Token has expired")


def _signature(key: bytes, body: str) -> str:
    return _encode(hmac.digest(key, body.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
