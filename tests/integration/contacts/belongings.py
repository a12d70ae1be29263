"""One row of every kind that can belong to a person."""

from __future__ import annotations

from uuid import UUID

from hogsend.kernel.ids import uuid7
from tests.integration.contacts.people import People

# Everything that carries a person: a table with contact_id, and one row of it.
_ROWS = {
    "conversions": (
        "INSERT INTO conversions (id, definition_id, contact_id, user_key, event_id, occurred_at)"
        " VALUES (hogsend.uuid7_v1(), 'paid', :id, :key, :state, now())"
    ),
    "email_preferences": (
        "INSERT INTO email_preferences (user_id, email, contact_id, categories)"
        " VALUES (:key, :email, :id, '{\"news\": false}')"
    ),
    "email_sends": (
        "INSERT INTO email_sends (user_id, user_email, contact_id, from_email, to_email,"
        " intended_to, subject, journey_state_id)"
        " VALUES (:key, :email, :id, 'a@b.co', :email, :email, 'Hi', :state)"
    ),
    "group_memberships": (
        "WITH g AS (INSERT INTO groups (group_type, group_key) VALUES ('company', :key)"
        " ON CONFLICT DO NOTHING RETURNING id)"
        " INSERT INTO group_memberships (group_id, contact_id) SELECT id, :id FROM g"
    ),
    "journey_skips": (
        "INSERT INTO journey_skips (journey_id, user_id, reason, contact_id)"
        " VALUES ('other', :key, 'already_entered_once', :id)"
    ),
    "list_confirmations": (
        "INSERT INTO list_confirmations (id, list_id, user_id, email, contact_id, source,"
        " requested_at) VALUES (:state, 'news', :key, :email, :id, 'api', now())"
    ),
    "outbound_events": (
        "INSERT INTO outbound_events (id, type, contact_id, payload, occurred_at)"
        " VALUES (hogsend.uuid7_v1(), 'contact.updated', :id,"
        " jsonb_build_object('email', CAST(:email AS text), 'key', CAST(:key AS text)), now())"
    ),
    "preference_changes": (
        "INSERT INTO preference_changes (contact_id, user_id, email, category, subscribed, source)"
        " VALUES (:id, :key, :email, 'news', false, 'api')"
    ),
    "user_events": (
        "INSERT INTO user_events (user_id, contact_id, event) VALUES (:key, :id, 'seen')"
    ),
}
# What nobody has before there is a contact.
_OF_CONTACTS = {"conversions", "group_memberships", "outbound_events"}
_STATE = (
    "INSERT INTO journey_states (id, user_id, contact_id, journey_id, status)"
    " VALUES (:state, :key, :id, 'welcome', 'waiting')"
)
_CHILDREN = (
    "INSERT INTO anonymous_drafts (anonymous_id, properties) VALUES (:key, '{\"x\": 1}')"
    " ON CONFLICT DO NOTHING",
    "INSERT INTO journey_logs (journey_state_id, action) VALUES (:state, 'entered')",
    "INSERT INTO journey_steps (state_id, key, seq, kind, generation)"
    " VALUES (:state, 'k', 0, 'once', 1)",
    "INSERT INTO waits (state_id, journey_id, step_key, kind, label, contact_id, user_id, event,"
    " due_at) VALUES (:state, 'welcome', 'w', 'event', 'w', :id, :key, 'paid', now())",
    "INSERT INTO outbox (topic, subject, ref_id, payload) VALUES ('journey.advance',"
    " coalesce(CAST(:id AS text), :key) || '/welcome', :state, '{\"journey\": \"welcome\"}')",
    "INSERT INTO outbox (topic, subject, payload) VALUES ('journey.advance',"
    " coalesce(CAST(:id AS text), :key) || '/other', '{\"journey\": \"other\"}')",
)
_MAIL = (
    "INSERT INTO outbound_events (id, type, send_id, payload, occurred_at) SELECT"
    " hogsend.uuid7_v1(), 'email.sent', id, jsonb_build_object('to', to_email), now()"
    " FROM email_sends WHERE to_email = :email",
    "INSERT INTO tracked_links (email_send_id, original_url) SELECT id, 'https://a.co'"
    " FROM email_sends WHERE to_email = :email",
    "INSERT INTO link_clicks (id, tracked_link_id) SELECT gen_random_uuid(), l.id"
    " FROM tracked_links l JOIN email_sends s ON s.id = l.email_send_id"
    " WHERE s.to_email = :email",
    "INSERT INTO machine_hits (id, email_send_id, kind, reason) SELECT gen_random_uuid(), id,"
    " 'open', 'bot' FROM email_sends WHERE to_email = :email",
    "INSERT INTO email_feedback (id, provider, event_key, type, send_id, payload, occurred_at)"
    " SELECT gen_random_uuid(), 'resend', id::text, 'email.opened', id,"
    " jsonb_build_object('to', to_email), now() FROM email_sends WHERE to_email = :email",
    "INSERT INTO outbox (topic, subject, ref_id, payload) SELECT 'email.send', id::text, id,"
    " jsonb_build_object('send', id) FROM email_sends WHERE to_email = :email",
    "INSERT INTO email_suppressions (email, reason, suppressed_at)"
    " VALUES (:email, 'complaint', now())",
)


def give_everything(people: People, contact_id: UUID | None, *, key: str, email: str) -> UUID:
    """Give a person (None: somebody without a contact) one of each; answers the enrollment."""
    state = uuid7()
    named: dict[str, object] = {"id": contact_id, "key": key, "email": email, "state": state}
    people.rows(_STATE, **{n: named[n] for n in ("id", "key", "state")})
    for table, sql in _ROWS.items():
        if contact_id is None and table in _OF_CONTACTS:
            continue
        _run(people, sql, named)
    for sql in (*_CHILDREN, *_MAIL):
        _run(people, sql, named)
    return state


def _run(people: People, sql: str, named: dict[str, object]) -> None:
    people.rows(sql, **{name: value for name, value in named.items() if f":{name}" in sql})


def columns_named(people: People, column: str) -> list[str]:
    """Every table of ours with a column of this name."""
    return [
        row[0]
        for row in people.rows(
            "SELECT table_name::text FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name = :column ORDER BY 1",
            column=column,
        )
    ]
