from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hogsend.journeys.models import ResolvedWait, Step
from hogsend.journeys.runtime.journal import Journal

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
WAIT = ResolvedWait(
    key="wait:nap", kind="event", label="nap", outcome="event", opened_at=AT, resolved_at=AT,
    event_id=UUID(int=7), value={"properties": {"n": 1}},
)  # fmt: skip


def step(key: str) -> Step:
    return Step(key=key, kind="k", value=key)


def test_keys_number_the_later_uses_of_a_label() -> None:
    journal = Journal([], None)

    keys = [journal.next_key("wait", label) for label in ("a", "b", "a", "a")]

    assert keys == ["wait:a", "wait:b", "wait:a#2", "wait:a#3"]


def test_resolved_wait_is_a_step_that_is_safe_already() -> None:
    journal = Journal([step("one")], WAIT)

    found = journal.find("wait:nap")

    assert found is not None
    assert found.value == {
        "properties": {"n": 1}, "outcome": "event", "at": AT.isoformat(),
        "openedAt": "2026-03-01T12:00:00.000Z", "eventId": str(UUID(int=7)),
    }  # fmt: skip
    assert (len(journal.fresh), journal.is_volatile, journal.next_seq) == (1, False, 1)


def test_resolved_wait_that_is_recorded_is_not_added_again() -> None:
    assert Journal([step("wait:nap")], WAIT).fresh == []


def test_new_step_is_volatile_until_it_is_stored() -> None:
    journal = Journal([step("one")], WAIT)
    journal.add(step("two"))

    assert journal.is_volatile
    journal.mark_stored(2)

    assert (journal.is_volatile, journal.fresh, journal.next_seq) == (False, [], 3)


def test_unvisited_steps_come_in_the_order_of_recording() -> None:
    journal = Journal([step("one"), step("two"), step("three")], None)
    journal.find("two")
    journal.peek("one")

    assert [s.key for s in journal.unvisited()] == ["one", "three"]
    assert journal.is_used("two")
    assert not journal.is_used("one")
