"""Claims, leases, order and poison in the table itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from hogsend.db import Database, Query
from hogsend.outbox import store
from tests.integration.outbox.conftest import TOPIC, Outbox

_RESUBMIT = timedelta(seconds=60)
_LEASE = timedelta(seconds=60)


def claim(outbox: Outbox, limit: int = 100) -> list[int]:
    return [row.id for row in store.claim_due(outbox.db, limit=limit, resubmit=_RESUBMIT)]


def test_claim_gives_only_the_oldest_row_of_a_subject(outbox: Outbox) -> None:
    first, other = outbox.add("a"), outbox.add("b")
    second = outbox.add("a")

    assert claim(outbox) == [first, other]
    assert claim(outbox) == []
    store.delete_rows(outbox.db, [first])
    assert claim(outbox) == [second]


def test_claim_same_subject_of_another_topic_is_independent(outbox: Outbox) -> None:
    first, other = outbox.add("a"), outbox.add("a", topic="other")

    assert claim(outbox) == [first, other]


def test_claim_row_for_later_waits_and_holds_back_its_subject(outbox: Outbox) -> None:
    later = outbox.add("a", available_at=datetime.now(UTC) + timedelta(minutes=5))
    outbox.add("a")

    assert claim(outbox) == []
    outbox.make_due()
    assert claim(outbox) == [later]


def test_claim_hides_the_row_for_a_delay_that_doubles_up_to_ten_minutes(outbox: Outbox) -> None:
    row = outbox.add("a")
    delays = []

    for _ in range(7):
        assert claim(outbox) == [row]
        delays.append(round(outbox.rows()[row][1]))
        outbox.make_due()

    assert delays == pytest.approx([60, 120, 240, 480, 600, 600, 600], abs=2)
    assert outbox.rows()[row][0] == 7


def test_claim_takes_the_longest_due_first_up_to_the_limit(outbox: Outbox) -> None:
    ids = [outbox.add(f"s{i}") for i in range(5)]
    outbox.db.run(
        Query.parse(
            "older",
            "UPDATE outbox SET available_at = now() - interval '1 hour' WHERE id = :id",
        ),
        id=ids[3],
    )

    assert claim(outbox, limit=2) == [ids[0], ids[3]]


def test_take_row_once_second_executor_gets_nothing(outbox: Outbox) -> None:
    row = outbox.add("a")
    claim(outbox)
    mine, theirs = uuid4(), uuid4()

    taken = store.take(outbox.db, [row], holder=mine, lease=_LEASE)
    again = store.take(outbox.db, [row], holder=theirs, lease=_LEASE)

    assert (taken, again) == ({row}, set())


def test_take_lease_ran_out_next_executor_gets_it_and_the_first_cannot_renew(
    outbox: Outbox,
) -> None:
    row = outbox.add("a")
    claim(outbox)
    mine, theirs = uuid4(), uuid4()
    store.take(outbox.db, [row], holder=mine, lease=_LEASE)
    assert store.renew(outbox.db, [row], holder=mine, lease=_LEASE) == {row}
    outbox.make_due()

    taken = store.take(outbox.db, [row], holder=theirs, lease=_LEASE)

    assert taken == {row}
    assert store.renew(outbox.db, [row], holder=mine, lease=_LEASE) == set()


def test_claim_lease_ran_out_row_is_free_again(outbox: Outbox) -> None:
    row = outbox.add("a")
    claim(outbox)
    store.take(outbox.db, [row], holder=uuid4(), lease=_LEASE)
    assert claim(outbox) == []
    outbox.make_due()

    assert claim(outbox) == [row]
    assert outbox.rows()[row][2] is False


def test_retry_and_park_leave_a_held_row_alone(outbox: Outbox) -> None:
    row = outbox.add("a")
    claim(outbox)
    store.take(outbox.db, [row], holder=uuid4(), lease=_LEASE)

    store.retry_rows(outbox.db, [row], after=timedelta(0), error="late")
    store.park_row(outbox.db, row, error="late")

    attempts, due_in, is_held, is_parked, error = outbox.rows()[row]
    assert (attempts, is_held, is_parked, error) == (1, True, False, None)
    assert due_in > 50


@pytest.mark.parametrize(("is_counted", "attempts"), [(True, 1), (False, 0)])
def test_retry_counts_the_attempt_only_when_the_row_is_to_blame(
    outbox: Outbox, is_counted: bool, attempts: int
) -> None:
    row = outbox.add("a")
    claim(outbox)

    store.retry_rows(
        outbox.db, [row], after=timedelta(seconds=7), error="engine away", is_counted=is_counted
    )

    found = outbox.rows()[row]
    assert found[0] == attempts
    assert found[1] == pytest.approx(7, abs=2)
    assert found[4] == "engine away"


def test_park_row_is_visible_and_lets_its_subject_go_on(outbox: Outbox) -> None:
    poison, next_row = outbox.add("a"), outbox.add("a")
    claim(outbox)

    store.park_row(outbox.db, poison, error="never")

    assert claim(outbox) == [next_row]
    (parked,) = store.list_parked(outbox.db)
    assert (parked.id, parked.topic, parked.subject) == (poison, TOPIC, "a")
    assert (parked.attempts, parked.last_error, parked.payload) == (1, "never", {"s": "a"})
    assert parked.parked_at.endswith("Z")
    assert store.take(outbox.db, [poison], holder=uuid4(), lease=_LEASE) == set()


def test_unpark_row_starts_over_and_only_once(outbox: Outbox) -> None:
    row = outbox.add("a")
    claim(outbox)
    store.park_row(outbox.db, row, error="never")

    assert store.unpark_row(outbox.db, row)
    assert not store.unpark_row(outbox.db, row)

    assert claim(outbox) == [row]
    assert outbox.rows()[row][0] == 1


def test_list_parked_pages_newest_first(outbox: Outbox) -> None:
    ids = [outbox.add(f"s{i}") for i in range(5)]
    for row in ids:
        store.park_row(outbox.db, row, error="x")

    first = store.list_parked(outbox.db, limit=2)
    second = store.list_parked(outbox.db, limit=2, before_id=first[-1].id)

    assert [row.id for row in [*first, *second]] == ids[:0:-1]


@pytest.mark.parametrize("error", ["a\x00b", "half \ud800 pair", "x" * 10_000])
def test_park_error_that_cannot_be_stored_is_made_to_fit(outbox: Outbox, error: str) -> None:
    row = outbox.add("a")

    store.park_row(outbox.db, row, error=error)

    (parked,) = store.list_parked(outbox.db)
    assert parked.last_error
    assert len(parked.last_error) <= 2000


def test_insert_dedupe_key_is_queued_already_changes_nothing(outbox: Outbox) -> None:
    outbox.add("a", dedupe_key="once")

    again = store.insert_row(outbox.db, topic=TOPIC, subject="b", payload={}, dedupe_key="once")

    assert again is None
    assert len(outbox.rows()) == 1


def test_backlog_counts_waiting_and_parked_and_the_age_of_the_oldest(outbox: Outbox) -> None:
    assert store.measure_backlog(outbox.db) == store.Backlog(waiting=0, oldest_seconds=0, parked=0)
    outbox.add("old")
    outbox.age(120)
    outbox.add("young")
    store.park_row(outbox.db, outbox.add("poison"), error="x")
    outbox.add("later", available_at=datetime.now(UTC) + timedelta(hours=1))

    backlog = store.measure_backlog(outbox.db)

    assert (backlog.waiting, backlog.parked) == (2, 1)
    assert backlog.oldest_seconds == pytest.approx(120, abs=5)


def test_backlog_submitted_row_still_waits_and_a_held_one_does_not(outbox: Outbox) -> None:
    row = outbox.add("a")
    outbox.age(30)
    claim(outbox)
    assert store.measure_backlog(outbox.db).oldest_seconds == pytest.approx(30, abs=5)

    store.take(outbox.db, [row], holder=uuid4(), lease=_LEASE)

    assert store.measure_backlog(outbox.db).waiting == 0


def test_insert_in_a_transaction_that_rolls_back_promises_nothing(database: Database) -> None:
    with pytest.raises(KeyError), database.transaction() as tx:
        store.insert_row(tx, topic=TOPIC, subject="a", payload={})
        raise KeyError

    assert store.claim_due(database, limit=10, resubmit=_RESUBMIT) == []


def test_claim_one_subject_with_a_long_queue_does_not_hold_up_the_others(outbox: Outbox) -> None:
    outbox.db.run(
        Query(
            "flood",
            "INSERT INTO outbox (topic, subject)"
            " SELECT 'test.work', 'flood' FROM generate_series(1, 30000)",
        )
    )
    other = outbox.add("other")
    outbox.db.run(Query("analyze", "ANALYZE outbox"))
    started = time.monotonic()

    claimed = claim(outbox, limit=10)

    assert len(claimed) == 2
    assert other in claimed
    assert time.monotonic() - started < 5
