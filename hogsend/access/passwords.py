"""Passwords: scrypt in the reference's stored form, so its users can be taken over."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata

from hogsend.errors import InvalidInput

MIN_LENGTH, MAX_LENGTH = 8, 128

_N, _R, _P, _KEY_BYTES = 16384, 16, 1, 64
_MAXMEM = 128 * _N * _R * 2


def hash_password(password: str) -> str:
    """``salthex:keyhex``; takes about 0.1 s on purpose."""
    salt = secrets.token_hex(16)
    return f"{salt}:{_derive(password, salt).hex()}"


def verify_password(password: str, stored: str) -> bool:
    """True when ``password`` made ``stored``; False for anything malformed."""
    salt, colon, key = stored.partition(":")
    if not (salt and colon and key):
        return False
    return hmac.compare_digest(_derive(password, salt).hex(), key)


def check_password(password: str) -> None:
    """Raise InvalidInput unless the password has 8 to 128 characters."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(f"The password must have {MIN_LENGTH} to {MAX_LENGTH} characters")


def generate_password() -> str:
    """18 random bytes as 24 URL-safe characters."""
    return secrets.token_urlsafe(18)


def _derive(password: str, salt: str) -> bytes:
    # The salt is the hex text itself, not the bytes it stands for.
    return hashlib.scrypt(
        unicodedata.normalize("NFKC", password).encode(),
        salt=salt.encode(),
        n=_N,
        r=_R,
        p=_P,
        dklen=_KEY_BYTES,
        maxmem=_MAXMEM,
    )
