"""Memory, the database function and compiled SQL give one answer, whatever the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogsend.conditions import Condition, SendFacts, evaluate, from_json, to_json
from hogsend.conditions.sql import CONTACT, ORPHAN, Scope, compile_condition
from hogsend.db import Database, Query
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonObject, dumps, loads
from tests.integration.conditions import strategies as some

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
BAG = Scope(properties="CAST(:bag AS jsonb)", events="false", sends="false")

_MATCHES = Query.parse(
    "matches", "SELECT hogsend.matches_v1(CAST(:conditions AS jsonb), CAST(:bag AS jsonb))"
)
_ROUND_TRIP = Query.parse("round_trip", "SELECT CAST(:bag AS jsonb)")
_NEW_CONTACT = Query.parse(
    "new_contact",
    "INSERT INTO contacts (id, external_id, properties) VALUES (:id, :key, CAST(:bag AS jsonb))",
)
_NEW_EVENT = Query.parse(
    "new_event",
    "INSERT INTO user_events (user_id, contact_id, event, occurred_at)"
    " VALUES (:key, CAST(:contact_id AS uuid), :event, :occurred_at)",
)
_NEW_SEND = Query.parse(
    "new_send",
    """INSERT INTO email_sends (contact_id, user_id, template_key, from_email, to_email, subject,
         status, created_at, sent_at, opened_at, clicked_at)
       VALUES (CAST(:contact_id AS uuid), :key, :template, 'a@b.co', 'c@d.co', 's', :status,
         :created_at, CAST(:sent_at AS timestamptz), CAST(:opened_at AS timestamptz),
         CAST(:clicked_at AS timestamptz))""",
)

# The database outlives the examples: each one brings a person or a bag of its own.
_SETTINGS = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@_SETTINGS
@given(condition=some.combined(some.PROPERTY_CONDITIONS), bag=some.BAGS)
def test_property_conditions_agree_in_memory_function_and_sql(
    database: Database, condition: Condition, bag: JsonObject
) -> None:
    compiled = compile_condition(condition, scope=BAG, now=NOW)
    query = Query.parse("compiled", f"SELECT {compiled.sql}")
    used = {"bag": bag} if "bag" in query.parameters else {}

    in_memory = evaluate(condition, bag)

    assert database.run(_MATCHES, conditions=[to_json(condition)], bag=bag) == [(in_memory,)]
    assert database.run(query, **used, **compiled.params) == [(in_memory,)]
    # As read back from the database and from a stored condition: numbers change their spelling.
    [(stored,)] = database.run(_ROUND_TRIP, bag=bag)
    assert evaluate(from_json(loads(dumps(to_json(condition)))), stored) is in_memory


@dataclass(frozen=True)
class Send:
    template: str
    age: timedelta
    is_sent: bool
    is_opened: bool
    is_clicked: bool


@dataclass(frozen=True)
class Past:
    """Implements History over plain lists: the oracle."""

    events: Sequence[tuple[str, timedelta]]
    sends: Sequence[Send]

    def count_events(self, event_name: str, within: timedelta | None) -> int:
        return sum(
            name == event_name and (within is None or age <= within) for name, age in self.events
        )

    def find_send(self, template_key: str) -> SendFacts | None:
        sent = [s for s in self.sends if s.template == template_key and s.is_sent]
        if not sent:
            return None
        newest = min(sent, key=lambda s: s.age)
        return SendFacts(is_opened=newest.is_opened, is_clicked=newest.is_clicked)


AGES = st.sampled_from([0, 1, 2, 3599, 3600, 3601, 604800, 604801]).map(
    lambda seconds: timedelta(seconds=seconds)
)
PASTS = st.builds(
    Past,
    events=st.lists(st.tuples(some.EVENT_NAMES, AGES), max_size=6),
    sends=st.lists(
        st.builds(
            Send,
            template=some.TEMPLATES,
            age=st.integers(0, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
            is_sent=st.booleans(),
            is_opened=st.booleans(),
            is_clicked=st.booleans(),
        ),
        max_size=4,
        unique_by=lambda send: send.age,
    ),
)
ANY_CONDITION = some.combined(
    st.one_of(some.PROPERTY_CONDITIONS, some.EVENT_CONDITIONS, some.EMAIL_CONDITIONS)
)


def remember(database: Database, past: Past, *, key: str, contact_id: UUID | None) -> None:
    with database.transaction() as tx:
        for name, age in past.events:
            tx.run(_NEW_EVENT, key=key, contact_id=contact_id, event=name, occurred_at=NOW - age)
        for send in past.sends:
            tx.run(
                _NEW_SEND,
                key=key,
                contact_id=contact_id,
                template=send.template,
                status="sent" if send.is_sent else "suppressed",
                created_at=NOW - send.age,
                sent_at=NOW - send.age if send.is_sent else None,
                opened_at=NOW if send.is_opened else None,
                clicked_at=NOW if send.is_clicked else None,
            )


@pytest.fixture
def crowded(database: Database) -> Database:
    """A database in which somebody else did everything."""
    other = uuid7()
    everything = Past(
        events=[("seen", timedelta(0)), ("bought", timedelta(0))] * 3,
        sends=[Send("welcome", timedelta(0), True, True, True)],
    )
    database.run(_NEW_CONTACT, id=other, key="other", bag={"a": 1})
    remember(database, everything, key="other", contact_id=other)
    remember(database, everything, key="other-orphan", contact_id=None)
    return database


@_SETTINGS
@given(condition=ANY_CONDITION, bag=some.BAGS, past=PASTS)
def test_conditions_on_a_contact_agree_in_memory_and_sql(
    crowded: Database, condition: Condition, bag: JsonObject, past: Past
) -> None:
    contact_id = uuid7()
    crowded.run(_NEW_CONTACT, id=contact_id, key=str(contact_id), bag=bag)
    remember(crowded, past, key=str(contact_id), contact_id=contact_id)
    compiled = compile_condition(condition, scope=CONTACT, now=NOW)
    query = Query.parse("compiled", f"SELECT {compiled.sql} FROM contacts k WHERE k.id = :id")

    answer = crowded.run(query, id=contact_id, **compiled.params)

    assert answer == [(evaluate(condition, bag, history=past),)]


@settings(_SETTINGS, max_examples=100)
@given(condition=some.combined(st.one_of(some.EVENT_CONDITIONS, some.EMAIL_CONDITIONS)), past=PASTS)
def test_conditions_on_somebody_without_a_contact_agree_in_memory_and_sql(
    crowded: Database, condition: Condition, past: Past
) -> None:
    key = f"orphan-{uuid7()}"
    remember(crowded, past, key=key, contact_id=None)
    compiled = compile_condition(condition, scope=ORPHAN, now=NOW)
    query = Query.parse("compiled", f"SELECT {compiled.sql}")

    answer = crowded.run(query, user_id=key, **compiled.params)

    assert answer == [(evaluate(condition, {}, history=past),)]
