"""Stored passwords: the form, what matches, and what is stored anew."""

from __future__ import annotations

import hashlib

import pytest

from hogsend.access.passwords import (
    NOBODY,
    check_password,
    generate_password,
    hash_password,
    is_outdated,
    verify_password,
)
from hogsend.errors import InvalidInput


def _scrypt(password: str, salt: str) -> str:
    """What the reference stores."""
    key = hashlib.scrypt(
        password.encode(), salt=salt.encode(), n=16384, r=16, p=1, dklen=64, maxmem=2**27
    )
    return f"{salt}:{key.hex()}"


def test_hash_when_new_is_argon2id_with_current_parameters() -> None:
    stored = hash_password("correct horse")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert verify_password("correct horse", stored)
    assert not verify_password("Correct horse", stored)
    assert hash_password("correct horse") != stored
    assert not is_outdated(stored)


def test_verify_when_stored_by_the_reference_accepts_and_is_outdated() -> None:
    stored = _scrypt("correct horse", "0123456789abcdef" * 2)

    assert verify_password("correct horse", stored)
    assert not verify_password("correct horsf", stored)
    assert is_outdated(stored)


def test_verify_when_parameters_are_weaker_is_outdated() -> None:
    assert is_outdated("$argon2id$v=19$m=4096,t=1,p=1$AAAA$AAAA")


def test_password_is_compared_in_normal_form() -> None:
    stored = hash_password("\ufb01ne caf\u00e9 1")

    assert verify_password("fine cafe\u0301 1", stored)


@pytest.mark.parametrize(
    "stored",
    ["", "abc", ":", "abc:", f"{'0' * 32}:{'0' * 128}", f"{'0' * 32}:\u00e9", "$argon2id$", NOBODY],
)
@pytest.mark.parametrize("password", ["", "correct horse", "\ud800"])
def test_verify_when_malformed_or_nobody_never_matches(password: str, stored: str) -> None:
    assert not verify_password(password, stored)


def test_password_length_is_bounded() -> None:
    check_password("x" * 8)
    check_password("x" * 128)
    for password in ("x" * 7, "x" * 129):
        with pytest.raises(InvalidInput):
            check_password(password)
    assert len(generate_password()) == 24
