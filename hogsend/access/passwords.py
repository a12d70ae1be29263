"""Passwords: Argon2id for new ones; scrypt in the reference's stored form is still accepted.

Parameters are those of the OWASP password storage cheat sheet (19 MiB, two passes, one lane):
about 30 ms on one core.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata

from hogsend.errors import InvalidInput

MIN_LENGTH, MAX_LENGTH = 8, 128

_ARGON2 = "$argon2id$"
_MEMORY_KIB, _PASSES, _LANES, _KEY_BYTES = 19456, 2, 1, 32
_CURRENT = f"{_ARGON2}v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"
# Checked when there is no such account, so that both cases take the same time.
NOBODY = f"{_CURRENT}{'A' * 22}${'A' * 43}"

_N, _R, _P, _SCRYPT_BYTES = 16384, 16, 1, 64
_MAXMEM = 128 * _N * _R * 2


def hash_password(password: str) -> str:
    """The PHC string to store; slow on purpose."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    kdf = Argon2id(
        salt=secrets.token_bytes(16),
        length=_KEY_BYTES,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return kdf.derive_phc_encoded(_normal(password))


def verify_password(password: str, stored: str) -> bool:
    """True when ``password`` made ``stored``; False for anything malformed."""
    if stored.startswith(_ARGON2):
        return _verify_argon2(password, stored)
    return _verify_scrypt(password, stored)


def is_outdated(stored: str) -> bool:
    """True when a right password should be stored anew: another algorithm or other parameters."""
    return not stored.startswith(_CURRENT)


def check_password(password: str) -> None:
    """Raise InvalidInput unless the password has 8 to 128 characters."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(f"The password must have {MIN_LENGTH} to {MAX_LENGTH} characters")


def generate_password() -> str:
    """18 random bytes as 24 URL-safe characters."""
    return secrets.token_urlsafe(18)


def _normal(password: str) -> bytes:
    # A lone surrogate can be typed in no form; it must not be an error here.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace")


def _verify_argon2(password: str, stored: str) -> bool:
    # Loaded on use: most processes never see a password, and it costs 8 MB.
    from cryptography.exceptions import InvalidKey, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(_normal(password), stored)
    except (InvalidKey, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _verify_scrypt(password: str, stored: str) -> bool:
    """``salthex:keyhex``; the salt is the hex text itself, not the bytes it stands for."""
    salt, colon, key = stored.partition(":")
    if not (salt and colon and key):
        return False
    derived = hashlib.scrypt(
        _normal(password),
        salt=salt.encode(),
        n=_N,
        r=_R,
        p=_P,
        dklen=_SCRYPT_BYTES,
        maxmem=_MAXMEM,
    )
    return hmac.compare_digest(derived.hex().encode(), key.encode())
