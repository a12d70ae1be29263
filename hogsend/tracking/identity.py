"""The ``hs_t`` parameter: lets the customer's website know which reader arrived.

AES-256-GCM, key SHA-256(secret), ``b64url(iv12 ‖ ciphertext ‖ tag16)`` of
``{"distinctId", "src", "scope": "anon-absorb", "emailSendId"?, "exp"}``; lives an hour.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hogsend.kernel.tokens import TokenError
from hogsend.kernel.wire_json import JsonObject, dump_bytes, loads

IDENTITY_LIFE = timedelta(hours=1)
PARAMETER = "hs_t"
_SCOPE = "anon-absorb"
_IV_BYTES = 12
_TAG_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who arrived (``distinct_id``) and from where (``source``, such as ``email:<send id>``)."""

    distinct_id: str
    source: str
    send_id: str | None = None


class IdentityTokens:
    """Mints with ``secret``; also opens what ``previous`` secrets sealed. Thread-safe."""

    def __init__(
        self,
        secret: str,
        *,
        previous: Sequence[str] = (),
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._keys = [hashlib.sha256(key.encode()).digest() for key in (secret, *previous)]
        self._random_bytes = random_bytes

    def mint(self, identity: Identity, *, now: datetime, life: timedelta = IDENTITY_LIFE) -> str:
        """The value of ``hs_t``."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        payload: JsonObject = {
            "distinctId": identity.distinct_id,
            "src": identity.source,
            "scope": _SCOPE,
            "exp": int((now + life).timestamp()),
        }
        if identity.send_id is not None:
            payload["emailSendId"] = identity.send_id
        iv = self._random_bytes(_IV_BYTES)
        sealed = iv + AESGCM(self._keys[0]).encrypt(iv, dump_bytes(payload), None)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, token: str, *, now: datetime) -> Identity:
        """Who a token speaks of; raises TokenError for any that is not good now."""
        payload = self._open(token)
        distinct_id, expiry = payload.get("distinctId"), payload.get("exp")
        send_id = payload.get("emailSendId")
        source = payload.get("src") or (f"email:{send_id}" if send_id else None)
        if not isinstance(distinct_id, str) or not distinct_id or not isinstance(source, str):
            raise TokenError("Incomplete token payload")
        if payload.get("scope", _SCOPE) != _SCOPE:
            raise TokenError("Token has another scope")
        if isinstance(expiry, bool) or not isinstance(expiry, int | float):
            raise TokenError("Incomplete token payload")
        if expiry < now.timestamp():
            raise TokenError("Token has expired")
        return Identity(
            distinct_id=distinct_id,
            source=source,
            send_id=send_id if isinstance(send_id, str) else None,
        )

    def _open(self, token: str) -> JsonObject:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            padded = token + "=" * (-len(token) % 4)
            sealed = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise TokenError("Malformed token") from error
        if len(sealed) <= _IV_BYTES + _TAG_BYTES:
            raise TokenError("Malformed token")
        for key in self._keys:
            try:
                clear = AESGCM(key).decrypt(sealed[:_IV_BYTES], sealed[_IV_BYTES:], None)
                payload = loads(clear)
            except InvalidTag:
                continue
            except ValueError as error:
                raise TokenError("Malformed token payload") from error
            if isinstance(payload, dict):
                return payload
            raise TokenError("Malformed token payload")
        raise TokenError("Invalid token signature")
