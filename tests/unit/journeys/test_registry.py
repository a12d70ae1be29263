from __future__ import annotations

from typing import Any

import pytest

from hogsend import App, on, prop
from hogsend.errors import ConfigError
from hogsend.events.matching import Matches
from hogsend.events.models import NewEvent
from hogsend.journeys.registry import JourneyRegistry


async def run(user: object, ctx: object) -> None:
    """A journey."""


def app_of_three() -> App:
    app = App(__name__)
    app.journey(
        id="pro", name="Pro", trigger=on("signed.up").where(prop("plan") == "pro"),
        exit_on=[on("left"), on("plan.changed").where(prop("plan") != "pro")],
    )(run)  # fmt: skip
    app.journey(
        id="any", name="Any", trigger=on("signed.up"),
        exit_on=[on("left").where(prop("hard") == True), on("left").where(prop("n") > 3)],  # noqa: E712
    )(run)  # fmt: skip
    app.journey(id="off", name="Off", trigger=on("signed.up"), enabled=False,
                exit_on=[on("left")])(run)  # fmt: skip
    return app


def test_match_starts_every_enabled_journey_whose_conditions_hold() -> None:
    registry = JourneyRegistry(app_of_three(), None)

    assert registry.match("signed.up", {"plan": "pro"}).starts == ("pro", "any")
    assert registry.match("signed.up", {"plan": "free"}).starts == ("any",)
    assert registry.match("Signed.up", {}) == Matches()


def test_refuse_names_the_first_guard_of_everybody_match_does_not_start() -> None:
    registry = JourneyRegistry(app_of_three(), None)
    counted: list[tuple[str, str]] = []
    count = registry.refusal_counter(lambda *, journey, outcome: counted.append((journey, outcome)))

    assert registry.refuse("signed.up", {"plan": "pro"}) == [("off", "journey_disabled")]
    assert registry.refuse("left", {}) == []
    assert count is not None
    count(NewEvent(name="signed.up", external_id="u", properties={"plan": "free"}))
    assert counted == [("pro", "trigger_conditions_not_met"), ("off", "journey_disabled")]
    assert registry.refusal_counter(None) is None


_ENDED = "journey:completed"


async def waits_by_literal(user: object, ctx: Any) -> None:
    async def inner() -> None:
        await ctx.wait_for("journey:failed", timeout=None)

    await inner()


async def waits_by_name(user: object, ctx: Any) -> None:
    await ctx.wait_for(_ENDED, timeout=None)


def test_hears_what_starts_or_ends_a_journey_or_stands_in_its_code() -> None:
    app = app_of_three()
    before = JourneyRegistry(app, None)
    assert [before.hears(n) for n in ("signed.up", "left", _ENDED)] == [True, True, False]

    app.journey(id="w", name="W", trigger=on("x"))(waits_by_literal)
    app.journey(id="v", name="V", trigger=on("x"))(waits_by_name)
    registry = JourneyRegistry(app, None)

    assert [registry.hears(n) for n in (_ENDED, "journey:failed", "other")] == [True, True, False]
    assert not JourneyRegistry(app, ("w",)).hears(_ENDED)


def test_match_exit_sees_nested_properties() -> None:
    app = App(__name__)
    app.journey(id="a", name="A", trigger=on("x"), exit_on=[on("y").where(prop("box").exists())])(
        run
    )
    registry = JourneyRegistry(app, None)

    assert registry.match("y", {"box": {"a": 1}}).exits == (("a", True),)
    assert registry.match("y", {}).exits == (("a", False),)


def test_match_trigger_does_not_see_nested_properties() -> None:
    app = App(__name__)
    app.journey(id="a", name="A", trigger=on("x").where(prop("box").exists()))(run)
    registry = JourneyRegistry(app, None)

    assert registry.match("x", {"box": {"a": 1}}).starts == ()
    assert registry.match("x", {"box": 1}).starts == ("a",)


def test_match_exits_say_whether_any_rule_of_the_journey_holds() -> None:
    registry = JourneyRegistry(app_of_three(), None)

    assert registry.match("left", {"n": 4}).exits == (("pro", True), ("any", True), ("off", True))
    assert registry.match("left", {"n": 1}).exits == (("pro", True), ("any", False), ("off", True))
    assert registry.match("plan.changed", {"plan": "pro"}).exits == (("pro", False),)


def test_enabled_journeys_chooses_in_the_order_of_the_source() -> None:
    registry = JourneyRegistry(app_of_three(), ("any", "pro"))

    assert registry.ids == ("pro", "any")
    assert registry.find("off") is None


def test_enabled_journeys_keeps_the_exits_of_those_that_run_elsewhere() -> None:
    registry = JourneyRegistry(app_of_three(), ("any",))

    assert registry.match("plan.changed", {"plan": "free"}) == Matches(exits=(("pro", True),))


def test_enabled_journeys_empty_runs_none() -> None:
    registry = JourneyRegistry(app_of_three(), ())

    assert registry.ids == ()
    assert registry.match("signed.up", {"plan": "pro"}).starts == ()


def test_enabled_journeys_unknown_is_refused_with_a_suggestion() -> None:
    app = App(__name__)
    app.journey(id="activation-welcome", name="A", trigger=on("x"))(run)

    with pytest.raises(ConfigError) as caught:
        JourneyRegistry(app, ("activation-wellcome", "zzz"))

    assert "'activation-wellcome' (did you mean 'activation-welcome'?), 'zzz'" in str(caught.value)
    assert "known: activation-welcome" in str(caught.value)


def test_enabled_journeys_is_not_checked_while_there_is_no_journey() -> None:
    assert JourneyRegistry(App(__name__), ("whatever",)).ids == ()
