from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hogsend.kv import Kv, heartbeat

pytestmark = pytest.mark.integration

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def kv(redis_url: str) -> Iterator[Kv]:
    opened = Kv(redis_url, prefix="t:")
    yield opened
    opened.close()


def test_kv_put_get_delete_round_trips(kv: Kv) -> None:
    assert kv.put("a", "1", ttl_seconds=60)
    assert not kv.put("a", "2", ttl_seconds=60, only_new=True)
    assert kv.get("a") == "1"

    kv.delete("a")

    assert kv.get("a") is None


def test_heartbeat_last_worker_takes_the_legacy_key_along(kv: Kv) -> None:
    assert heartbeat.read(kv, now=NOW).last_seen_at is None
    heartbeat.write(kv, instance="a:1", now=NOW)
    heartbeat.write(kv, instance="b:2", now=NOW + timedelta(seconds=5), version="1.2.3")

    seen = heartbeat.read(kv, now=NOW + timedelta(seconds=6))
    heartbeat.remove(kv, instance="b:2", now=NOW + timedelta(seconds=7))
    after_one = heartbeat.read(kv, now=NOW + timedelta(seconds=8))
    heartbeat.remove(kv, instance="a:1", now=NOW + timedelta(seconds=9))

    assert seen.last_seen_at == NOW + timedelta(seconds=5)
    assert seen.instances == {"a:1": NOW, "b:2": NOW + timedelta(seconds=5)}
    assert seen.versions == {"a:1": "", "b:2": "1.2.3"}
    assert after_one.versions == {"a:1": ""}
    assert after_one.last_seen_at is not None
    assert set(after_one.instances) == {"a:1"}
    assert heartbeat.read(kv, now=NOW + timedelta(seconds=10)).last_seen_at is None
