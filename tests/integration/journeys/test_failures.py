from __future__ import annotations

import pytest

from hogsend.app import App
from hogsend.conditions.pattern import on
from hogsend.email.models import SendRequest
from hogsend.email.templates import UnknownTemplate
from hogsend.errors import ProviderTransient
from hogsend.journeys.meta import Entry
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import sleeper

pytestmark = pytest.mark.integration


def poisonous() -> App:
    app = App("poisonous")

    @app.journey(id="poisonous", name="p", trigger=on("start"), entry=Entry.unlimited())
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        if user.properties.get("poison"):
            raise RuntimeError("this member is poisoned")
        if user.properties.get("nul"):
            await ctx.exit("a \0 that no database stores")
        await ctx.send_email("fine")

    return app


def test_poisoned_members_take_no_other_down(make_world: MakeWorld) -> None:
    world = make_world(poisonous())
    for n in range(10):
        world.send("start", f"u{n}", poison=n == 3, nul=n == 5)

    outcomes = world.pump()

    assert outcomes == {"completed": 8, "retry": 1, "failed": 1}
    assert len(world.mailer.delivered) == 8
    ((error,),) = world.sql("SELECT error_message FROM journey_states WHERE status = 'failed'")
    assert error.startswith("the database refused to store this advance")


def test_failing_function_is_tried_again_and_then_failed(make_world: MakeWorld) -> None:
    world = make_world(poisonous(), attempts=3)
    world.send("start", poison=True)

    seen = []
    for _ in range(3):
        seen.append(world.pump())
        world.let_time_pass()

    assert seen == [{"retry": 1}, {"retry": 1}, {"failed": 1}]
    status, error, failed = world.state("status, error_message, failed_at IS NOT NULL")
    assert (status, failed) == ("failed", True)
    assert error.startswith("RuntimeError: this member is poisoned (test_failures.py:")
    assert world.count("outbox") == 0
    assert world.sql("SELECT action FROM journey_logs ORDER BY created_at") == [
        ("entered",), ("failed",),
    ]  # fmt: skip


def test_retry_waits_longer_each_time_and_shows_why(make_world: MakeWorld) -> None:
    world = make_world(poisonous(), attempts=5)
    world.send("start", poison=True)

    pauses = []
    for _ in range(3):
        world.pump()
        ((seconds, error, holder, attempts),) = world.sql(
            "SELECT extract(epoch FROM available_at - now())::float8, last_error, holder, attempts"
            " FROM outbox"
        )
        pauses.append(seconds)
        assert "poisoned" in error
        assert (holder, attempts) == (None, 0)
        world.let_time_pass()

    assert [round(pause) for pause in pauses] == [1, 2, 4]
    assert world.state("status, attempt") == ("active", 3)


def test_failed_advance_keeps_the_mails_it_sent(make_world: MakeWorld) -> None:
    world = make_world(sleeper())
    world.send("start")
    world.pump()
    tries = []

    def refuse(_: SendRequest) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")

    world.mailer.effects["after"] = refuse
    for _ in range(3):
        world.let_time_pass()
        world.pump()

    assert world.states() == {"completed": 1}
    assert [r.template for r in world.mailer.requests] == ["before", "after", "after", "after"]


def test_trouble_at_the_provider_does_not_count_as_the_journeys_fault(
    make_world: MakeWorld,
) -> None:
    world = make_world(sleeper(), attempts=2)
    down = [True]

    def outage(_: SendRequest) -> None:
        if down[0]:
            raise ProviderTransient("503", retry_after_seconds=90)

    world.mailer.effects["before"] = outage
    world.send("start")
    world.sql("UPDATE user_events SET received_at = now() - interval '3 days'")  # no worker since
    for _ in range(6):
        assert world.pump() == {"retry": 1}
        ((seconds,),) = world.sql(
            "SELECT extract(epoch FROM available_at - now())::float8 FROM outbox"
        )
        assert seconds > 80
        world.let_time_pass()
        assert world.state("attempt, retrying_since IS NOT NULL") == (0, True)
    down[0] = False

    assert world.pump() == {"waiting": 1}
    assert world.state("attempt, error_message, retrying_since") == (0, None, None)


def test_trouble_at_the_provider_that_lasts_a_day_fails(make_world: MakeWorld) -> None:
    world = make_world(sleeper())

    def outage(_: SendRequest) -> None:
        raise ProviderTransient("503")

    world.mailer.effects["before"] = outage
    world.send("start")
    world.pump()
    world.sql("UPDATE journey_states SET retrying_since = now() - interval '25 hours'")
    world.let_time_pass()

    assert world.pump() == {"failed": 1}


def test_unknown_template_fails_at_once(make_world: MakeWorld) -> None:
    world = make_world(sleeper())

    def unknown(_: SendRequest) -> None:
        raise UnknownTemplate("before", ["welcome"])

    world.mailer.effects["before"] = unknown
    world.send("start")

    assert world.pump() == {"failed": 1}
    assert "known templates: welcome" in world.state("error_message")[0]


def test_same_mail_twice_at_one_place_is_an_error_not_a_lost_mail(make_world: MakeWorld) -> None:
    app = App("loop")

    @app.journey(id="loop", name="l", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        for n in range(2):
            await ctx.send_email("tip", label=f"tip-{n}")
        for _ in range(2):
            await ctx.send_email("tip")

    world = make_world(app)
    world.send("start")

    assert world.pump() == {"failed": 1}
    assert "give each one a label" in world.state("error_message")[0]
    assert len(world.mailer.delivered) == 3


def test_person_without_an_address_gets_nothing_and_goes_on(make_world: MakeWorld) -> None:
    app = App("mute")
    results: list[tuple[str, str | None]] = []

    @app.journey(id="mute", name="m", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        result = await ctx.send_email("hello")
        results.append((result.status, result.reason))

    world = make_world(app)
    world.send("start")
    world.sql("UPDATE contacts SET email = NULL")

    assert world.pump() == {"completed": 1}
    assert results == [("suppressed", "no_address")]
    assert world.mailer.requests == []


def test_trouble_at_the_provider_leaves_the_attempts_for_the_journeys_own_errors(
    make_world: MakeWorld,
) -> None:
    world = make_world(sleeper(), attempts=2)
    errors: list[Exception] = [ProviderTransient("503")] * 4 + [RuntimeError("mine")]

    def fail(_: SendRequest) -> None:
        if errors:
            raise errors.pop(0)

    world.mailer.effects["before"] = fail
    world.send("start")
    for _ in range(5):
        assert world.pump() == {"retry": 1}
        world.let_time_pass()

    assert world.pump() == {"waiting": 1}
