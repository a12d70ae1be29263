"""Proofs that a request comes from whom it says. All compare in constant time and fail closed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from hogsend.errors import NotAllowed

TOLERANCE = timedelta(minutes=5)


class BadSignature(NotAllowed):
    """The proof is missing, wrong or too old. Answered with 401."""

    default_code = "unauthorized"


def check_svix(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> str:
    """Standard Webhooks (``svix-*`` or ``webhook-*`` headers); returns the message's id.

    A secret is ``whsec_`` and base64. Several are accepted while one replaces another. ``headers``
    are keyed by lower-case name. Raises BadSignature.
    """
    prefix = "svix" if "svix-id" in headers else "webhook"
    message_id = headers.get(f"{prefix}-id", "")
    timestamp = headers.get(f"{prefix}-timestamp", "")
    signatures = headers.get(f"{prefix}-signature", "")
    if not (secrets and message_id and timestamp and signatures):
        raise BadSignature("Webhook signature is missing")
    _check_age(timestamp, now=now, tolerance=tolerance)
    signed = f"{message_id}.{timestamp}.".encode() + body
    wanted = [_svix_signature(secret, signed) for secret in secrets]
    for entry in signatures.split(" "):
        version, _, given = entry.partition(",")
        if version == "v1" and any(_is_same(given, one) for one in wanted):
            return message_id
    raise BadSignature("Webhook signature does not match")


def check_stripe(
    secret: str,
    header: str,
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> None:
    """``t=<unix>,v1=<hex>[,v1=…]`` over ``<t>.<body>``; raises BadSignature."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    timestamp = next((value for name, _, value in parts if name == "t"), "")
    if not (secret and timestamp):
        raise BadSignature("Webhook signature is missing")
    _check_age(timestamp, now=now, tolerance=tolerance)
    wanted = hmac.digest(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hex()
    if not any(name == "v1" and _is_same(value, wanted) for name, _, value in parts):
        raise BadSignature("Webhook signature does not match")


def check_hmac_hex(secret: str, given: str, body: bytes, *, algorithm: str = "sha256") -> None:
    """Hex HMAC of the body, with or without ``<algorithm>=`` before it; raises BadSignature."""
    wanted = hmac.digest(secret.encode(), body, algorithm).hex()
    if not secret or not _is_same(given.removeprefix(f"{algorithm}=").lower(), wanted):
        raise BadSignature("Webhook signature does not match")


def check_basic(credentials: Sequence[tuple[str, str]], header: str) -> None:
    """HTTP Basic with one of these (user, password) pairs; raises BadSignature."""
    scheme, _, encoded = header.partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("Webhook credentials are missing") from error
    usable = [pair for pair in credentials if all(pair)]
    matches = [
        hmac.compare_digest(given, f"{user}:{password}".encode()) for user, password in usable
    ]
    if scheme.lower() != "basic" or not any(matches):
        raise BadSignature("Webhook credentials do not match")


def _svix_signature(secret: str, signed: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise BadSignature("The webhook secret is not whsec_ and base64") from error
    if not key:
        raise BadSignature("The webhook secret is empty")
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _check_age(timestamp: str, *, now: datetime, tolerance: timedelta) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise BadSignature("Webhook timestamp is not a number")
    if abs(now.timestamp() - int(timestamp)) > tolerance.total_seconds():
        raise BadSignature("Webhook timestamp is too far from now")


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
