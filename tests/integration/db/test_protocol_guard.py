"""Fails when pg8000 changes underneath: what we take over from it after signing in."""

from __future__ import annotations

import inspect
import socket
from importlib.metadata import version

import pytest
from pg8000.converters import PG_TYPES
from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError as ServerError
from pg8000.exceptions import InterfaceError

from hogsend.db import DatabaseOptions
from hogsend.db.handshake import sign_in
from hogsend.db.options import parse_url

_VERIFIED_VERSION = "1.31.6"


def test_pg8000_is_the_version_this_layer_was_verified_with() -> None:
    assert version("pg8000") == _VERIFIED_VERSION


def test_core_connection_takes_what_we_pass() -> None:
    parameters = inspect.signature(CoreConnection.__init__).parameters

    assert {
        "host",
        "database",
        "password",
        "ssl_context",
        "application_name",
        "startup_params",
        "sock",
    } <= set(parameters)


def test_core_connection_signed_in_leaves_socket_and_buffer_to_us(dsn: str) -> None:
    address = parse_url(dsn)
    ours = socket.create_connection((address.host, address.port), timeout=5)

    connection = CoreConnection(
        address.user,
        host=address.host,
        database=address.database,
        password=address.password,
        ssl_context=False,
        sock=ours,
    )

    assert connection._usock is ours
    assert ours.gettimeout() == 5
    assert callable(connection._sock.peek)
    ours.settimeout(0)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    connection._sock.close()
    ours.close()


def test_sign_in_leaves_nothing_unread(dsn: str) -> None:
    taken, rest = sign_in(DatabaseOptions(url=dsn))

    assert rest == b""
    taken.sendall(b"Q" + (13).to_bytes(4, "big") + b"SELECT 1\0")
    taken.settimeout(5)
    assert taken.recv(65536).startswith(b"T")
    taken.close()


def test_core_connection_refused_carries_the_servers_fields(dsn: str) -> None:
    address = parse_url(dsn)

    with pytest.raises(ServerError) as refusal:
        CoreConnection(
            address.user,
            host=address.host,
            port=address.port,
            database="no_such_database",
            password=address.password,
        )

    assert refusal.value.args[0]["C"] == "3D000"


def test_core_connection_network_error_is_an_interface_error() -> None:
    left, right = socket.socketpair()
    right.close()

    with pytest.raises((InterfaceError, OSError)):
        CoreConnection("me", host="h", sock=left, ssl_context=False)

    left.close()


def test_converters_for_types_we_leave_to_pg8000_exist() -> None:
    assert PG_TYPES[1009]("{a,NULL}") == ["a", None]
    assert PG_TYPES[1016]("{1,2}") == [1, 2]
