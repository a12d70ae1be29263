"""A server that restarts, ends connections, hangs, or is not PostgreSQL at all."""

from __future__ import annotations

import signal
import socket
import threading
import time
from datetime import timedelta

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.connection import Connection
from hogsend.db.errors import AccessDenied, DatabaseUnavailable
from hogsend.db.options import parse_url
from tests.fakes.own_postgres import OwnPostgres
from tests.fakes.tcp_proxy import TcpProxy

_ONE = Query("one", "SELECT 1")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_run_server_was_restarted_nobody_notices(
    own_postgres: OwnPostgres, how: signal.Signals
) -> None:
    db = Database(DatabaseOptions(url=own_postgres.url, pool_size=2))
    db.warm(2)

    own_postgres.stop(how)
    with pytest.raises(DatabaseUnavailable):
        db.run(_ONE)
    own_postgres.start()

    assert [db.run(_ONE) for _ in range(3)] == [[(1,)]] * 3
    db.close()


def test_run_server_stops_under_statements_may_have_run_is_told(
    own_postgres: OwnPostgres,
) -> None:
    db = Database(DatabaseOptions(url=own_postgres.url, pool_size=2))
    caught: list[DatabaseUnavailable] = []

    def sleep() -> None:
        try:
            db.run(Query("sleep", "SELECT pg_sleep(30)"))
        except DatabaseUnavailable as error:
            caught.append(error)

    thread = threading.Thread(target=sleep)
    thread.start()
    busy = Query("busy", "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'")
    while not db.run(busy):
        time.sleep(0.01)

    own_postgres.stop(signal.SIGQUIT)

    thread.join(timeout=10)
    own_postgres.start()
    assert [error.may_have_run for error in caught] == [True]
    db.close()


def test_listener_server_was_restarted_hears_again(own_postgres: OwnPostgres) -> None:
    db = Database(DatabaseOptions(url=own_postgres.url, pool_size=1))
    listener = db.listener(["news"])
    own_postgres.stop(signal.SIGQUIT)
    assert listener.wait(0.2) == []
    assert not listener.is_connected
    own_postgres.start()

    deadline = time.monotonic() + 20
    while not listener.reconnected and time.monotonic() < deadline:
        listener.wait(1)
    db.run(Query("notify", "SELECT pg_notify('news', 'back')"))

    assert [n.payload for n in listener.wait(5)] == ["back"]
    listener.close()
    db.close()


def test_run_network_is_cut_then_mended(proxied_dsn: str, proxy: TcpProxy) -> None:
    db = Database(DatabaseOptions(url=proxied_dsn, pool_size=2))
    db.run(_ONE)

    proxy.cut()
    with pytest.raises(DatabaseUnavailable):
        db.run(_ONE)
    proxy.mend()

    assert db.run(_ONE) == [(1,)]
    db.close()


def test_run_server_hangs_gives_up_after_statement_timeout_and_grace(
    proxied_dsn: str, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogsend.db.connection._GRACE_SECONDS", 0.2)
    db = Database(
        DatabaseOptions(url=proxied_dsn, pool_size=1, statement_timeout=timedelta(milliseconds=300))
    )
    db.run(_ONE)
    proxy.hang()
    started = time.monotonic()

    with pytest.raises(DatabaseUnavailable) as failure:
        db.run(_ONE)

    assert 0.4 < time.monotonic() - started < 15
    assert failure.value.may_have_run
    proxy.mend()
    assert db.run(_ONE) == [(1,)]
    db.close()


def test_connect_server_accepts_and_says_nothing_gives_up_in_time(
    proxied_dsn: str, proxy: TcpProxy
) -> None:
    proxy.hang()
    started = time.monotonic()

    with pytest.raises(DatabaseUnavailable, match="cannot sign in"):
        Connection(DatabaseOptions(url=proxied_dsn, connect_timeout=timedelta(milliseconds=300)))

    assert 0.2 < time.monotonic() - started < 15


def test_connect_nobody_listens_names_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(DatabaseUnavailable, match=f"127.0.0.1:{port}") as refusal:
        Connection(DatabaseOptions(url=f"postgresql://me:secret@127.0.0.1:{port}/db"))

    assert "secret" not in str(refusal.value)
    assert not refusal.value.was_connected


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, b""])
def test_connect_not_a_postgresql_says_unavailable(answer: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = server.accept()
        client.recv(1024)
        client.sendall(answer)
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()

    with pytest.raises(DatabaseUnavailable, match="cannot sign in"):
        Connection(
            DatabaseOptions(
                url=f"postgresql://me@127.0.0.1:{server.getsockname()[1]}/db?sslmode=disable"
            )
        )

    thread.join(timeout=5)
    server.close()


def test_connect_wrong_password_or_database_is_access_denied(dsn: str) -> None:
    address = parse_url(dsn)
    place = f"{address.host}:{address.port}"

    with pytest.raises(AccessDenied):
        Connection(
            DatabaseOptions(
                url=f"postgresql://{address.user}:{address.password}@{place}/no_such_database"
            )
        )
    with pytest.raises(AccessDenied):
        Connection(DatabaseOptions(url=f"postgresql://nobody:wrong@{place}/{address.database}"))
