from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from hogsend.kernel.tokens import TokenError
from hogsend.tracking.identity import Identity, IdentityTokens

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHO = Identity(distinct_id="u1", source="email:s1", send_id="s1")


def test_identity_token_reads_back_until_it_expires() -> None:
    tokens = IdentityTokens("secret")

    token = tokens.mint(WHO, now=NOW)

    assert tokens.read(token, now=NOW + timedelta(hours=1)) == WHO
    with pytest.raises(TokenError, match="expired"):
        tokens.read(token, now=NOW + timedelta(hours=1, seconds=1))


def test_identity_token_of_a_previous_secret_is_good_and_of_another_is_not() -> None:
    token = IdentityTokens("old").mint(WHO, now=NOW)

    assert IdentityTokens("new", previous=("old",)).read(token, now=NOW) == WHO
    with pytest.raises(TokenError, match="signature"):
        IdentityTokens("new").read(token, now=NOW)


def test_identity_token_with_any_bit_changed_is_refused() -> None:
    tokens = IdentityTokens("secret")
    sealed = bytearray(base64.urlsafe_b64decode(tokens.mint(WHO, now=NOW) + "=="))

    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        forged = base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode()
        with pytest.raises(TokenError):
            tokens.read(forged, now=NOW)


def test_identity_token_is_laid_out_as_the_contract_says() -> None:
    import json
    from hashlib import sha256

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    token = IdentityTokens("secret", random_bytes=lambda count: b"\1" * count).mint(WHO, now=NOW)
    sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    clear = AESGCM(sha256(b"secret").digest()).decrypt(sealed[:12], sealed[12:], None)

    assert sealed[:12] == b"\1" * 12
    assert json.loads(clear) == {
        "distinctId": "u1", "src": "email:s1", "scope": "anon-absorb",
        "exp": int(NOW.timestamp()) + 3600, "emailSendId": "s1",
    }  # fmt: skip
