"""Locks across processes: one holder, freed with the connection."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hogsend.db import Database, DatabaseOptions
from hogsend.db.errors import DatabaseUnavailable
from hogsend.db.locks import AdvisoryLock
from tests.fakes.tcp_proxy import TcpProxy
from tests.integration.db.conftest import terminate_others

_KEY = 2**40 + 7


@pytest.fixture
def locks(dsn: str) -> Iterator[tuple[AdvisoryLock, AdvisoryLock]]:
    """Two rivals for one key."""
    pair = (
        AdvisoryLock(DatabaseOptions(url=dsn), _KEY),
        AdvisoryLock(DatabaseOptions(url=dsn), _KEY),
    )
    yield pair
    for lock in pair:
        lock.release()


def test_lock_has_one_holder_until_released(locks: tuple[AdvisoryLock, AdvisoryLock]) -> None:
    mine, theirs = locks

    assert mine.try_acquire()
    assert mine.try_acquire()
    assert not theirs.try_acquire()
    assert (mine.held(), theirs.held()) == (True, False)
    mine.release()
    mine.release()

    deadline = time.monotonic() + 5
    while not theirs.try_acquire():  # the server notices the closed connection in its own time
        assert time.monotonic() < deadline
    assert (mine.held(), theirs.held()) == (False, True)


def test_lock_backend_is_ended_holder_notices_and_rival_gets_it(
    locks: tuple[AdvisoryLock, AdvisoryLock], admin: Database
) -> None:
    mine, theirs = locks
    mine.try_acquire()

    terminate_others(admin)

    assert not mine.held()
    assert theirs.try_acquire()
    assert not mine.try_acquire()


def test_lock_database_is_away_holder_is_not_sure_and_acquire_raises(
    proxied_dsn: str, proxy: TcpProxy
) -> None:
    lock = AdvisoryLock(DatabaseOptions(url=proxied_dsn), _KEY)
    assert lock.try_acquire()

    proxy.cut()

    assert not lock.held()
    with pytest.raises(DatabaseUnavailable):
        lock.try_acquire()
    proxy.mend()
    deadline = time.monotonic() + 5
    while not lock.try_acquire():
        assert time.monotonic() < deadline
    lock.release()
