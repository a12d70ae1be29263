"""Hearing NOTIFY, also after the connection was lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from hogsend.db import Database, DatabaseOptions, Listener, Query
from tests.integration.db.conftest import terminate_others

_NOTIFY = Query.parse("notify", "SELECT pg_notify(:channel, :payload)")


@pytest.fixture
def listener(database: Database) -> Iterator[Listener]:
    """Hears ``news`` and a channel with odd characters."""
    with database.listener(["news", 'Odd "one"']) as opened:
        yield opened


def test_wait_notification_arrives_returns_at_once(database: Database, listener: Listener) -> None:
    started = time.monotonic()
    database.run(_NOTIFY, channel="news", payload="a")
    database.run(_NOTIFY, channel='Odd "one"', payload="b")

    heard = listener.wait(10)
    while len(heard) < 2 and time.monotonic() - started < 10:
        heard += listener.wait(10)

    assert [(n.channel, n.payload) for n in heard] == [("news", "a"), ('Odd "one"', "b")]
    assert time.monotonic() - started < 5


def test_wait_nothing_happens_returns_empty_in_time(listener: Listener) -> None:
    started = time.monotonic()

    heard = listener.wait(0.1)

    assert heard == []
    assert 0.09 < time.monotonic() - started < 15


def test_wait_notification_came_with_a_check_is_not_kept_back(
    database: Database, listener: Listener
) -> None:
    database.run(_NOTIFY, channel="news", payload="early")
    listener._checked_at -= 60
    started = time.monotonic()

    heard = listener.wait(10)

    assert [n.payload for n in heard] == ["early"]
    assert time.monotonic() - started < 5


def test_wait_connection_was_ended_reconnects_and_says_so(
    database: Database, listener: Listener, admin: Database
) -> None:
    terminate_others(admin)

    deadline = time.monotonic() + 10
    while not listener.reconnected and time.monotonic() < deadline:
        assert listener.wait(1) == []
    database.run(_NOTIFY, channel="news", payload="again")

    assert [n.payload for n in listener.wait(5)] == ["again"]
    assert not listener.reconnected


def test_close_from_another_thread_ends_the_wait(listener: Listener) -> None:
    returned = threading.Event()

    def wait() -> None:
        listener.wait(60)
        returned.set()

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)

    listener.close()

    assert returned.wait(5)
    thread.join(timeout=5)
    assert listener.wait(60) == []


def test_listener_behind_a_transaction_pooler_knows_that_it_is_deaf(
    database: Database, dsn: str
) -> None:
    pooled = DatabaseOptions(url=dsn, prepare=False)
    with Listener(pooled, ["news"]) as listener:
        database.run(_NOTIFY, channel="news", payload="a")
        started = time.monotonic()

        heard = listener.wait(0.3)

        assert heard == []
        assert time.monotonic() - started >= 0.29
        assert not listener.is_connected
        assert not listener.reconnected
