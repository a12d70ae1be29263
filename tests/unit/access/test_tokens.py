from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogsend.kernel.tokens import TokenError, TokenSigner, UnsubscribeClaims

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = TokenSigner("secret-one")


def by_hand(body: bytes, secret: bytes = b"secret-one") -> str:
    """The reference's algorithm, written out."""
    encoded = base64.urlsafe_b64encode(body).rstrip(b"=")
    mac = hmac.new(secret, encoded, hashlib.sha256).digest()
    return f"{encoded.decode()}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_user_token_has_the_form_of_the_reference() -> None:
    expiry = int(NOW.timestamp()) + 3600

    token = SIGNER.mint_user_token("user_42", now=NOW)

    assert token == by_hand(b'{"userId":"user_42","exp":%d}' % expiry)
    assert SIGNER.user_of(token, now=NOW) == "user_42"


def test_user_token_lives_until_its_last_second() -> None:
    token = SIGNER.mint_user_token("u", now=NOW, life=timedelta(seconds=60))

    assert SIGNER.user_of(token, now=NOW + timedelta(seconds=60, milliseconds=900)) == "u"
    with pytest.raises(TokenError, match="expired"):
        SIGNER.user_of(token, now=NOW + timedelta(seconds=61))


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "Malformed token"),
        ("abc", "Malformed token"),
        ("abc.", "Malformed token"),
        ("a.b.c", "Malformed token"),
        ("é.é", "Malformed token"),
        (by_hand(b'{"userId":"u","exp":9999999999}', b"other"), "Invalid token signature"),
        (by_hand(b'{"userId":"u","exp":9999999999}') + "=", "Invalid token signature"),
        (by_hand(b"not json"), "Malformed token payload"),
        (by_hand(b"[]"), "Malformed token payload"),
        (by_hand(b'{"exp":9999999999}'), "Incomplete token payload"),
        (by_hand(b'{"userId":"","exp":9999999999}'), "Incomplete token payload"),
        (by_hand(b'{"userId":"u"}'), "Incomplete token payload"),
        (by_hand(b'{"userId":"u","exp":"9999999999"}'), "Incomplete token payload"),
        (by_hand(b'{"userId":"u","exp":true}'), "Incomplete token payload"),
        (by_hand(b'{"userId":"u","exp":1}'), "Token has expired"),
    ],
)
def test_user_token_bad_is_refused(token: str, message: str) -> None:
    with pytest.raises(TokenError, match=message):
        SIGNER.user_of(token, now=NOW)


def test_signer_accepts_previous_secret_but_signs_with_the_new_one() -> None:
    old = SIGNER.mint_user_token("u", now=NOW)
    rotated = TokenSigner("secret-two", previous=["secret-one"])

    assert rotated.user_of(old, now=NOW) == "u"
    with pytest.raises(TokenError):
        SIGNER.user_of(rotated.mint_user_token("u", now=NOW), now=NOW)


@pytest.mark.parametrize("category", [None, "newsletter"])
def test_unsubscribe_token_round_trips(category: str | None) -> None:
    claims = UnsubscribeClaims(
        external_id="u", email="a@b.example", action="unsubscribe", category=category
    )

    token = SIGNER.mint_unsubscribe_token(claims, now=NOW)

    assert SIGNER.unsubscribe_claims(token, now=NOW + timedelta(days=30)) == claims
    with pytest.raises(TokenError, match="Token has expired"):
        SIGNER.unsubscribe_claims(token, now=NOW + timedelta(days=31))


def test_unsubscribe_token_is_no_user_token() -> None:
    token = SIGNER.mint_user_token("u", now=NOW)

    with pytest.raises(TokenError, match="Incomplete token payload"):
        SIGNER.unsubscribe_claims(token, now=NOW)


@given(st.text(min_size=1, max_size=50), st.integers(0, 2**63 - 1))
def test_token_with_any_changed_character_is_refused(user_id: str, position: int) -> None:
    token = SIGNER.mint_user_token(user_id, now=NOW)
    at = position % len(token)
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]

    with pytest.raises(TokenError):
        SIGNER.user_of(changed, now=NOW)
