"""Database URLs."""

from __future__ import annotations

import ssl

import pytest

from hogsend.db import DatabaseOptions
from hogsend.db.options import parse_url
from hogsend.errors import ConfigError


def test_parse_url_everything_in_it() -> None:
    address = parse_url(
        "postgres://us%40er:p%2Fw@db.example:6543/na%20me?sslmode=disable"
        "&application_name=me&options=-c%20x%3D1"
    )

    assert (address.user, address.password) == ("us@er", "p/w")
    assert (address.host, address.port, address.database) == ("db.example", 6543, "na me")
    assert (address.application_name, address.server_options) == ("me", "-c x=1")
    assert address.ssl is False


def test_parse_url_defaults() -> None:
    address = parse_url("postgresql://me@localhost")

    assert (address.port, address.database, address.password) == (5432, "me", None)
    assert address.ssl is None


def test_parse_url_socket_directory_is_a_unix_socket_without_tls() -> None:
    address = parse_url("postgresql://me@/db?host=/run/pg&port=5433&sslmode=require")

    assert address.unix_socket == "/run/pg/.s.PGSQL.5433"
    assert address.ssl is False


@pytest.mark.parametrize("mode", ["require", "no-verify"])
def test_parse_url_require_is_tls_without_verification(mode: str) -> None:
    assert parse_url(f"postgresql://me@h/db?sslmode={mode}").ssl is True


@pytest.mark.parametrize(("mode", "names"), [("verify-ca", False), ("verify-full", True)])
def test_parse_url_verify_modes_verify(mode: str, names: bool) -> None:
    context = parse_url(f"postgresql://me@h/db?sslmode={mode}").ssl

    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is names


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://me:secret@h/db", "does not start with"),
        ("postgresql://h:secret@x:notaport/db", "is not a URL"),
        ("postgresql://:secret@h/db", "names no user"),
        ("postgresql://me:secret@h/db?sslmode=maybe", "unknown sslmode"),
        ("postgresql://me:secret@h/db?port=x", "bad port"),
        ("postgresql://me:secret@h/db?sslmode=verify-full&sslrootcert=/no/file", "sslrootcert"),
    ],
)
def test_parse_url_wrong_is_refused_without_showing_the_password(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as refusal:
        parse_url(url)

    assert "secret" not in str(refusal.value)


def test_database_options_repr_hides_the_url() -> None:
    assert "secret" not in repr(DatabaseOptions(url="postgresql://me:secret@h/db"))
