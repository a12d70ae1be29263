from __future__ import annotations

from datetime import timedelta

import pytest

from hogsend.kernel.clock import VirtualClock
from hogsend.tracking.forget import forget
from tests.integration.tracking.world import World

pytestmark = pytest.mark.integration


def test_forget_empties_what_is_old_and_keeps_the_counts(world: World) -> None:
    _, (link,) = world.send(["https://x.test/"])
    world.click(link)
    world.click(link, {"User-Agent": "Slackbot"})
    world.sql(
        "INSERT INTO email_feedback (id, provider, event_key, type, recipients, payload, "
        "occurred_at) VALUES (gen_random_uuid(), 'resend', 'k', 'email.bounced', "
        "'[\"ada@example.org\"]', '{\"a\": 1}', now())"
    )
    world.sql("UPDATE email_feedback SET applied_at = now()")
    world.sql(
        "INSERT INTO email_feedback (id, provider, event_key, type, payload, occurred_at) "
        "VALUES (gen_random_uuid(), 'resend', 'foreign', 'email.opened', '{}', now())"
    )
    world.sql(
        "INSERT INTO list_confirmations (id, list_id, user_id, email, source, requested_at, "
        "confirmed_at) VALUES (gen_random_uuid(), 'a', 'u', 'a@x.test', 'api', now(), NULL), "
        "(gen_random_uuid(), 'b', 'u', 'a@x.test', 'api', now(), now())"
    )
    clock = VirtualClock(world.clock.now())

    fresh = forget(world.db, clock=clock, details_for=timedelta(days=30))
    clock.advance(timedelta(days=91))
    old = forget(world.db, clock=clock, details_for=timedelta(days=30))
    again = forget(world.db, clock=clock, details_for=timedelta(days=30))

    assert set(fresh.values()) == set(again.values()) == {0}
    assert old == {
        "forget_click_details": 1, "delete_machine_hits": 1, "delete_foreign_feedback": 1,
        "empty_feedback": 1, "delete_unanswered_wishes": 1,
    }  # fmt: skip
    assert world.sql("SELECT ip_address, user_agent FROM link_clicks") == [(None, None)]
    assert world.sql("SELECT click_count FROM tracked_links") == [(1,)]
    assert world.sql("SELECT payload, recipients, type FROM email_feedback") == [
        ({}, [], "email.bounced")
    ]
    assert world.sql("SELECT list_id FROM list_confirmations") == [("b",)]
