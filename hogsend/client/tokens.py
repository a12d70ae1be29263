"""``userToken``: lets a browser act for one of your users, for a while."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time


def mint_user_token(
    secret: str, user_id: str, *, life_seconds: int = 3600, now: float | None = None
) -> str:
    """Sign that whoever holds the token may act as ``user_id``.

    ``secret`` is the server's BETTER_AUTH_SECRET; keep it out of browsers.
    """
    if not user_id:
        raise ValueError("a token is for somebody")
    expires = int(time.time() if now is None else now) + life_seconds
    payload = json.dumps({"userId": user_id, "exp": expires}, separators=(",", ":"))
    body = _encode(payload.encode())
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{_encode(signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
