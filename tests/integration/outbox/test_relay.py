"""Relays: outcomes, handlers that raise, a database that goes away, several at once."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from hogsend.db import Database, DatabaseOptions
from hogsend.db.errors import DatabaseUnavailable
from hogsend.db.options import parse_url
from hogsend.outbox import Delivery, Done, Held, Nudge, OutboxRow, Park, Relay, Retry, store
from hogsend.telemetry.metrics import Metrics
from tests.fakes.tcp_proxy import TcpProxy
from tests.integration.outbox.conftest import Outbox, Recorder
from tests.waiting import wait_until


def test_drain_each_outcome_leaves_its_row_as_documented(outbox: Outbox) -> None:
    outcomes: dict[str, Delivery] = {
        "done": Done(),
        "held": Held(),
        "retry": Retry(after=timedelta(seconds=30), error="later"),
        "park": Park(error="never"),
    }
    ids = {name: outbox.add(name) for name in outcomes}
    relay = Relay(outbox.db, [Recorder(lambda row: outcomes[row.subject])])

    claimed = relay.drain_once()

    rows = outbox.rows()
    assert claimed == 4
    assert ids["done"] not in rows
    assert rows[ids["held"]][1] == pytest.approx(60, abs=5)
    assert rows[ids["retry"]][1] == pytest.approx(30, abs=5)
    assert rows[ids["retry"]][4] == "later"
    assert rows[ids["park"]][3:] == (True, "never")


def test_drain_engine_is_away_for_long_row_never_looks_poisoned(outbox: Outbox) -> None:
    row = outbox.add("a")
    relay = Relay(outbox.db, [Recorder(lambda _: Retry(after=timedelta(0), error="away"))])

    for _ in range(30):
        assert relay.drain_once() == 1

    assert outbox.rows()[row][0] == 0


def test_drain_handler_raises_for_one_row_the_others_are_delivered(outbox: Outbox) -> None:
    ids = [outbox.add(f"s{i}") for i in range(5)]

    def answer(row: OutboxRow) -> Delivery:
        if row.id == ids[2]:
            raise ValueError("cannot read this\x00")
        return Done()

    relay = Relay(outbox.db, [Recorder(answer)])

    relay.drain_once()

    rows = outbox.rows()
    assert list(rows) == [ids[2]]
    assert rows[ids[2]][0] == 1
    assert rows[ids[2]][1] == pytest.approx(5, abs=2)
    assert "cannot read this" in str(rows[ids[2]][4])


def test_drain_handler_raises_again_and_again_backs_off_then_parks(outbox: Outbox) -> None:
    row = outbox.add("a")

    def answer(_: OutboxRow) -> Delivery:
        raise ValueError("broken")

    relay = Relay(outbox.db, [Recorder(answer)])
    pauses = []
    for _ in range(11):
        relay.drain_once()
        pauses.append(round(outbox.rows()[row][1]))
        outbox.make_due()

    relay.drain_once()

    assert pauses == pytest.approx([5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600], abs=2)
    (parked,) = store.list_parked(outbox.db)
    assert parked.id == row
    assert parked.last_error == "ValueError('broken')"


def test_drain_handler_answers_too_few_outcomes_counts_as_raising(outbox: Outbox) -> None:
    class Short(Recorder):
        def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
            return super().deliver(rows)[1:]

    ids = [outbox.add("a"), outbox.add("b")]
    relay = Relay(outbox.db, [Short()])

    relay.drain_once()

    assert {row: outbox.rows()[row][4] for row in ids} == dict.fromkeys(
        ids, "RuntimeError('0 outcomes for 1 rows')"
    )


def test_drain_handler_cannot_reach_the_database_no_row_is_blamed(outbox: Outbox) -> None:
    row = outbox.add("a")

    def answer(_: OutboxRow) -> Delivery:
        raise DatabaseUnavailable("gone")

    recorder = Recorder(answer)
    relay = Relay(outbox.db, [recorder])

    with pytest.raises(DatabaseUnavailable):
        relay.drain_once()

    assert recorder.ids == [row]
    assert outbox.rows()[row][4] is None
    outbox.make_due()
    recorder.answer = lambda _: Done()
    assert relay.drain_once() == 1
    assert outbox.rows() == {}


def test_drain_topic_nobody_handles_waits_and_stops_no_other(outbox: Outbox) -> None:
    unknown, known = outbox.add("a", topic="unknown"), outbox.add("b")
    relay = Relay(outbox.db, [Recorder()])

    relay.drain_once()

    rows = outbox.rows()
    assert known not in rows
    assert rows[unknown][4] == "no handler for this topic here"
    assert rows[unknown][1] == pytest.approx(60, abs=5)


def test_drain_held_row_is_resubmitted_when_nobody_took_it(outbox: Outbox) -> None:
    row = outbox.add("a")
    recorder = Recorder(lambda _: Held())
    relay = Relay(outbox.db, [recorder])
    relay.drain_once()
    assert relay.drain_once() == 0

    outbox.make_due()
    relay.drain_once()

    assert recorder.ids == [row, row]
    assert outbox.rows()[row][1] == pytest.approx(120, abs=5)


def test_relay_hears_a_nudge_long_before_its_poll(outbox: Outbox) -> None:
    recorder = Recorder()
    relay = Relay(outbox.db, [recorder], poll=timedelta(seconds=30))
    nudge = Nudge(outbox.db)
    relay.start()
    try:
        wait_until(lambda: listens(outbox))
        time.sleep(0.1)
        row = outbox.add("a")
        started = time.monotonic()

        nudge.poke()

        wait_until(lambda: recorder.ids == [row], seconds=10)
        assert time.monotonic() - started < 10
    finally:
        relay.request_stop()
        nudge.poke()
        relay.stop()
        nudge.close()
    assert not relay.is_alive


def test_relay_lost_nudge_costs_one_poll(outbox: Outbox) -> None:
    recorder = Recorder()
    relay = Relay(outbox.db, [recorder], poll=timedelta(milliseconds=100))
    relay.start()
    try:
        row = outbox.add("a")

        wait_until(lambda: recorder.ids == [row])
    finally:
        relay.stop()


def test_relay_database_goes_and_comes_back_ships_on(dsn: str, outbox: Outbox) -> None:
    address = parse_url(dsn)
    proxy = TcpProxy(f"{address.host}:{address.port}")
    url = f"postgresql://{address.user}:{address.password}@{proxy.address}/{address.database}"
    through = Database(DatabaseOptions(url=url, pool_size=2))
    recorder = Recorder()
    relay = Relay(through, [recorder], poll=timedelta(milliseconds=100))
    relay.start()
    try:
        first = outbox.add("a")
        wait_until(lambda: first in recorder.ids)

        proxy.cut()
        time.sleep(0.3)
        second = outbox.add("b")
        assert relay.is_alive
        proxy.mend()

        wait_until(lambda: second in recorder.ids)
    finally:
        relay.stop()
        through.close()
        proxy.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_several_relays_deliver_every_row_and_keep_the_order_of_subjects(
    dsn: str, outbox: Outbox, seed: int
) -> None:
    chance = random.Random(seed)
    lock = threading.Lock()
    finished: dict[str, list[int]] = defaultdict(list)

    def answer(row: OutboxRow) -> Delivery:
        with lock:
            dice = chance.random()
            if dice < 0.1:
                return Retry(after=timedelta(0), error="not now")
            if dice < 0.15:
                raise ValueError("a bug")
            finished[row.subject].append(row.id)
        return Done()

    databases = [Database(DatabaseOptions(url=dsn, pool_size=2)) for _ in range(4)]
    relays = [
        Relay(db, [Recorder(answer)], claim_limit=20, poll=timedelta(milliseconds=10))
        for db in databases
    ]
    for relay in relays:
        relay.start()
    promised: dict[str, list[int]] = defaultdict(list)
    try:
        for i in range(150):
            subject = f"s{chance.randrange(25)}"
            promised[subject].append(outbox.add(subject))
            if i % 20 == 0:
                outbox.make_due()

        def all_gone() -> bool:
            outbox.make_due()
            time.sleep(0.02)
            return not outbox.rows()

        wait_until(all_gone, seconds=60)
    finally:
        for relay in relays:
            relay.stop()
        for db in databases:
            db.close()

    # Forcing rows due ends leases early, so a row may come twice: at least once, and in order.
    firsts = {subject: list(dict.fromkeys(ids)) for subject, ids in finished.items()}
    assert firsts == promised


def test_several_relays_without_expired_leases_deliver_exactly_once(
    dsn: str, outbox: Outbox
) -> None:
    ids = [outbox.add(f"s{i % 40}") for i in range(400)]
    recorder = Recorder()
    databases = [Database(DatabaseOptions(url=dsn, pool_size=2)) for _ in range(4)]
    relays = [
        Relay(db, [recorder], claim_limit=15, poll=timedelta(milliseconds=5)) for db in databases
    ]

    for relay in relays:
        relay.start()
    try:
        wait_until(lambda: not outbox.rows(), seconds=60)
    finally:
        for relay in relays:
            relay.stop()
        for db in databases:
            db.close()

    assert sorted(recorder.ids) == ids


def test_nudge_any_number_of_pokes_become_few_notifications(database: Database) -> None:
    listener = database.listener(["hogsend_outbox"])
    nudge = Nudge(database, interval_seconds=0.05)

    started = time.monotonic()
    for _ in range(1000):
        nudge.poke()
        time.sleep(0.0002)
    nudge.close()
    took = time.monotonic() - started

    heard = 0
    while got := listener.wait(0.3):
        heard += len(got)
    assert 1 <= heard <= took / 0.05 + 2
    listener.close()


def test_nudge_closed_sends_what_is_pending(database: Database) -> None:
    listener = database.listener(["hogsend_outbox"])
    nudge = Nudge(database)
    nudge.poke()

    nudge.close()

    assert listener.wait(5)
    listener.close()


def test_nudge_database_is_gone_never_raises_and_works_again(dsn: str) -> None:
    address = parse_url(dsn)
    proxy = TcpProxy(f"{address.host}:{address.port}")
    url = f"postgresql://{address.user}:{address.password}@{proxy.address}/{address.database}"
    through = Database(DatabaseOptions(url=url, pool_size=1))
    direct = Database(DatabaseOptions(url=dsn, pool_size=1))
    listener = direct.listener(["hogsend_outbox"])
    nudge = Nudge(through)
    proxy.cut()

    nudge.poke()
    assert listener.wait(0.2) == []
    proxy.mend()
    nudge.poke()

    assert listener.wait(5)
    nudge.close()
    listener.close()
    through.close()
    direct.close()
    proxy.close()


def test_outbox_gauges_show_age_and_poison(outbox: Outbox) -> None:
    metrics = Metrics(mode="worker")
    metrics.watch_outbox(lambda: store.measure_backlog(outbox.db))
    outbox.add("old")
    outbox.age(90)
    store.park_row(outbox.db, outbox.add("poison"), error="x")

    def value(name: str) -> float | None:
        registry: CollectorRegistry = metrics.registry
        return registry.get_sample_value(name)

    assert value("hogsend_outbox_waiting_rows") == 1
    assert value("hogsend_outbox_parked_rows") == 1
    assert value("hogsend_outbox_oldest_age_seconds") == pytest.approx(90, abs=5)


def listens(outbox: Outbox) -> bool:
    from hogsend.db import Query

    query = Query(
        "listening",
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE 'LISTEN%'",
    )
    return bool(outbox.db.run(query))
