"""What a journey does says which enrollment did it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.world import state_ids

pytestmark = pytest.mark.integration


def telling(**fields: Any) -> App:
    """Writes and tells, once each."""
    app = App("telling")
    app.list("news", name="News")

    @app.journey(id="telling", name="Telling", trigger=on("start"), **fields)
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("hello", props={"name": "mine", "n": 1})
        await ctx.trigger("told")

    return app


@pytest.mark.parametrize(
    ("category", "expected"),
    [(None, "journey"), ("news", "news"), ("transactional", "transactional")],
)
def test_mail_names_its_enrollment_and_has_the_rules_of_its_journey(
    make_world: MakeWorld, category: str | None, expected: str
) -> None:
    world = make_world(telling(category=category, min_gap=timedelta(hours=12)))
    event = world.send("start")
    world.pump()

    (request,) = world.mailer.requests
    (state,) = state_ids(world)
    assert (request.journey_state_id, request.journey_id) == (state, "telling")
    assert (request.user_id, request.contact_id) == ("ada", event.contact_id)
    assert (request.category, request.min_gap) == (expected, timedelta(hours=12))
    assert request.idempotency_key == f"journeySend:{state}:hello:hello"
    assert request.props["name"] == "mine"  # the author's word wins over ours
    assert request.metadata["eventId"] == str(event.event_id)


def test_event_names_its_enrollment(make_world: MakeWorld) -> None:
    world = make_world(telling())
    world.send("start")
    world.pump()

    (state,) = state_ids(world)
    assert world.sql("SELECT source, idempotency_key FROM user_events WHERE event = 'told'") == [
        ("journey", f"journeyTrigger:{state}:told:told")
    ]
    logs = world.sql(
        "SELECT action, to_node_id FROM journey_logs WHERE journey_state_id = :state"
        " AND action IN ('send', 'trigger') ORDER BY action",
        state=state,
    )
    assert logs == [("send", "send:hello"), ("trigger", "trigger:told")]
