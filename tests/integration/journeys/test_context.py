"""Each call of the context on PostgreSQL: what it answers, and that a replay answers the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

import pytest

from hogsend.app import App
from hogsend.conditions.builder import prop
from hogsend.conditions.pattern import on
from hogsend.email.models import SendRequest, SendResult
from hogsend.events.models import NewEvent
from hogsend.journeys.effects.connector import ConnectorCall
from hogsend.journeys.meta import Entry, JourneyFields
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.user import JourneyUser
from hogsend.kernel.hashing import bucket_of
from tests.integration.journeys.conftest import MakeWorld
from tests.integration.journeys.content import HOUR, fields
from tests.integration.journeys.world import World

pytestmark = pytest.mark.integration

Ask = Callable[[JourneyUser, JourneyContext], Awaitable[Any]]


class Answers(list[Any]):
    """What a question answered in each replay."""


def asking(ask: Ask, **given: Unpack[JourneyFields]) -> tuple[App, Answers]:
    """A journey that asks, sleeps, and asks nothing new: two replays, one place."""
    app, answers = App("asking"), Answers()

    @app.journey(**fields("asking", given))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        answers.append(await ask(user, ctx))
        await ctx.sleep(HOUR, label="nap")

    return app, answers


def play(world: World, between: Callable[[], object] = lambda: None) -> None:
    """Start, change the world, wake."""
    world.send("start")
    assert world.pump() == {"waiting": 1}, world.sql("SELECT error_message FROM journey_states")
    between()
    world.let_time_pass()
    assert world.pump() == {"completed": 1}


def test_history_is_recorded_at_the_first_reading(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        found = await ctx.history.has_event("used")
        last = await ctx.history.last("used")
        return (
            bool(found), found.count, await ctx.history.count("used", within=HOUR),
            last and last.properties["n"], await ctx.history.properties("never"),
            [e.event for e in await ctx.history.events(limit=2)],
        )  # fmt: skip

    app, answers = asking(ask)
    world = make_world(app)
    for n in range(3):
        world.send("used", n=n)
    world.sql(
        "UPDATE user_events SET occurred_at = now() - interval '2 hours'"
        " WHERE properties ->> 'n' = '0'"
    )
    world.send("used", "bob", n=99)

    play(world, between=lambda: world.send("used", n=7))

    assert answers == [(True, 3, 2, 2, {}, ["start", "used"])] * 2


def test_history_of_a_group_and_of_somebody_else(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        return (
            await ctx.history.count("used", within=HOUR, group=("company", "acme")),
            await ctx.history.count("used", within=HOUR, group="company"),
            bool(await ctx.history.has_event("paid", within=HOUR, group="company")),
            await ctx.history.of("bob").count("used"),
            [e.properties for e in await ctx.history.of("bob").events("used")],
            bool(await ctx.history.of("nobody").has_event("used")),
            await ctx.history.count("used"),
        )

    app, answers = asking(ask)
    world = make_world(app)
    for person, company, n in (("ada", "acme", 1), ("bob", "acme", 2), ("eve", "other", 3)):
        world.ingest.ingest(
            NewEvent(
                name="used", external_id=person, groups={"company": company}, properties={"n": n}
            )
        )
    world.ingest.ingest(NewEvent(name="used", external_id="bob", groups={"company": "acme"}))
    world.sql(
        "UPDATE user_events SET occurred_at = now() - interval '2 hours' WHERE properties = '{}'"
    )

    play(world, between=lambda: world.send("used", "bob"))

    assert answers == [(2, 2, False, 2, [{"n": 2}, {}], False, 1)] * 2


def test_history_of_journeys_and_mails(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        journey = await ctx.history.journey()
        other = await ctx.history.journey("other")
        mail = await ctx.history.email("hello")
        return journey.entry_count, journey.completed, other.entry_count, mail.count, mail.sent

    app, answers = asking(ask)
    world = make_world(app)
    world.sql(
        "INSERT INTO email_sends (from_email, to_email, intended_to, subject, template_key,"
        " status, sent_at) VALUES ('a@b.test', 'x@y.test', 'ada@people.test', 's', 'hello',"
        " 'sent', now()), ('a@b.test', 'x@y.test', 'ada@people.test', 's', 'hello',"
        " 'suppressed', NULL)"
    )

    play(world)
    play(world)

    assert answers == [(1, False, 0, 1, True)] * 2 + [(2, True, 0, 1, True)] * 2


def test_once_computes_once_and_checks_that_it_is_json(make_world: MakeWorld) -> None:
    calls: list[int] = []

    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        async def slow() -> str:
            calls.append(2)
            return "later"

        first = await ctx.once("plain", lambda: calls.append(1) or {"n": len(calls)})  # type: ignore[func-returns-value]
        return first, await ctx.once("plain", lambda: "never"), await ctx.once("async", slow)

    app, answers = asking(ask)

    play(make_world(app))

    assert answers == [({"n": 1}, {"n": 1}, "later")] * 2
    assert calls == [1, 2]


def test_once_that_is_not_json_fails_with_the_key(make_world: MakeWorld) -> None:
    app, _ = asking(lambda user, ctx: ctx.once("bad", lambda: object()))  # type: ignore[arg-type,return-value]
    world = make_world(app)
    world.send("start")

    assert world.pump() == {"failed": 1}
    assert "step 'once:bad' cannot be stored as JSON" in world.state("error_message")[0]


def test_variant_is_the_persons_arm_and_is_mirrored_for_readouts(make_world: MakeWorld) -> None:
    app, answers = asking(lambda user, ctx: ctx.variant("subject", ["a", "b"]))
    world = make_world(app)

    play(world)

    expected = "a" if bucket_of("variant:asking:subject:ada") < 5000 else "b"
    assert answers == [expected] * 2
    assert world.state("context") == ({"__variants__": {"subject": expected}},)


def test_variant_recorded_stays_although_the_arms_are_others_now(make_world: MakeWorld) -> None:
    first, _ = asking(lambda user, ctx: ctx.variant("v", ["old"]))
    world = make_world(first)
    world.send("start")
    world.pump()
    second, answers = asking(lambda user, ctx: ctx.variant("v", ["x", "y"]))
    world = make_world(second)
    world.let_time_pass()
    world.pump()

    assert answers == ["old"]


def test_properties_of_the_user_never_show_our_own_bags(make_world: MakeWorld) -> None:
    seen: list[dict[str, Any]] = []

    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        seen.append(user.properties)
        await ctx.variant("v", ["a"])

    app, _ = asking(ask)
    world = make_world(app)
    world.send("start", plan="pro", __variants__="evil")
    world.pump()
    world.let_time_pass()
    world.pump()

    assert seen == [{"plan": "pro"}] * 2


def test_throttle_counts_mails_that_went_out(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        room = await ctx.throttle(limit=2, window=timedelta(days=1))
        news = await ctx.throttle(limit=2, window=timedelta(days=1), category="news")
        return room.allowed, room.count, room.remaining, news.allowed, news.count, news.remaining

    app, answers = asking(ask)
    world = make_world(app)
    for status, category in (("sent", "news"), ("opened", "other"), ("failed", "news")):
        world.sql(
            "INSERT INTO email_sends (from_email, to_email, intended_to, subject, status,"
            " category) VALUES ('a@b.test', 'x', 'ada@people.test', 's', :status, :category)",
            status=status,
            category=category,
        )

    play(world)

    assert answers == [(False, 2, 0, True, 1, 1)] * 2


def test_is_subscribed_is_recorded(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        return await ctx.is_subscribed(), await ctx.is_subscribed("news")

    app, answers = asking(ask)
    world = make_world(app)
    world.sql(
        "INSERT INTO email_preferences (user_id, email, categories)"
        """ VALUES ('ada', 'ada@people.test', '{"news": false}')"""
    )

    play(world, lambda: world.sql("UPDATE email_preferences SET unsubscribed_all = true"))

    assert answers == [(True, False)] * 2


@pytest.mark.parametrize(
    ("categories", "has_left", "expected"),
    [
        ({}, False, (True, False, True, True)),
        ({"news": True, "tips": False}, False, (True, True, False, True)),
        ({"news": True}, True, (False, False, False, True)),
    ],
)
def test_is_subscribed_follows_the_rules_of_the_mailer(
    make_world: MakeWorld, categories: dict[str, bool], has_left: bool, expected: tuple[bool, ...]
) -> None:
    app = App("asking")
    app.list("news", name="News", default_opt_in=False)  # has to be joined
    app.list("tips", name="Tips")
    seen: list[tuple[bool, ...]] = []

    @app.journey(id="asking", name="a", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.sleep(HOUR)
        asked = (None, "news", "tips", "transactional")
        seen.append(tuple([await ctx.is_subscribed(category) for category in asked]))

    world = make_world(app)
    world.send("start")
    world.pump()
    world.sql(
        "INSERT INTO email_preferences (user_id, email, categories, unsubscribed_all)"
        " VALUES ('ada', 'ada@people.test', :categories, :has_left)",
        categories=categories,
        has_left=has_left,
    )

    world.let_time_pass()
    world.pump()

    assert seen == [expected]


def test_checkpoint_names_the_place_and_the_site_of_mails(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        await ctx.send_email("tip")
        await ctx.checkpoint("half-way")
        await ctx.send_email("tip")

    app, _ = asking(ask)
    world = make_world(app)

    play(world)

    assert world.mailer.delivered == ["tip", "tip"]
    keys = [str(r.idempotency_key).split(":", 2)[2] for r in world.mailer.requests]
    assert keys == ["tip:tip", "half-way:tip"]
    actions = [
        a for (a,) in world.sql("SELECT action FROM journey_logs WHERE action = 'checkpoint'")
    ]
    assert actions == ["checkpoint"]


def test_trigger_makes_one_event_about_the_same_person(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        await ctx.trigger("made.it", properties={"n": 1}, value=9.5, currency="EUR")
        await ctx.trigger("about.bob", user_id="bob", email="bob@people.test")

    app, _ = asking(ask)
    world = make_world(app)

    play(world)

    rows = world.sql(
        "SELECT e.event, k.external_id, e.source, e.properties, e.value::text,"
        " split_part(e.idempotency_key, ':', 1) FROM user_events e"
        " JOIN contacts k ON k.id = e.contact_id WHERE e.source = 'journey'"
        " ORDER BY e.event"
    )
    assert rows == [
        ("about.bob", "bob", "journey", {}, None, "journeyTrigger"),
        ("made.it", "ada", "journey", {"n": 1}, "9.50", "journeyTrigger"),
    ]  # fmt: skip


def test_trigger_that_ends_its_own_journey_ends_it(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        await ctx.trigger("stop")
        await ctx.send_email("never")

    app, _ = asking(ask, exit_on=[on("stop")])
    world = make_world(app)
    world.send("start")

    assert world.pump() == {"lost": 1}
    assert world.states() == {"exited": 1}
    assert world.mailer.requests == []


def test_when_uses_the_persons_zone_and_keeps_it(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        when = ctx.when
        return when.zone.key, when.next_local("10:00"), when.now == await ctx.now()

    app, answers = asking(ask)
    world = make_world(app, timezone="Europe/Berlin")
    world.send("unrelated")
    world.sql("UPDATE contacts SET timezone = 'Asia/Tokyo'")

    play(world, lambda: world.sql("UPDATE contacts SET timezone = 'America/Lima'"))

    zone, target, is_now = answers[0]
    assert (zone, target.astimezone(UTC).hour, is_now) == ("Asia/Tokyo", 1, True)
    assert answers[1] == answers[0]


def test_sleep_until_pauses_to_the_instant(make_world: MakeWorld) -> None:
    target = datetime.now(UTC) + timedelta(days=200)
    app = App("until")

    @app.journey(id="until", name="u", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        nap = await ctx.sleep_until(target.isoformat())
        assert nap.resumed_at >= nap.slept_at

    world = make_world(app)
    world.send("start")
    world.pump()

    assert world.sql("SELECT due_at FROM waits") == [(target,)]
    world.let_time_pass()
    assert world.pump() == {"completed": 1}


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda ctx: ctx.sleep(timedelta(0)), "longer than zero"),
        (lambda ctx: ctx.sleep(timedelta(days=367)), "longer than a year"),
        (lambda ctx: ctx.sleep(5), "must be a timedelta"),
        (lambda ctx: ctx.sleep_until("soon"), "no ISO-8601 instant"),
        (lambda ctx: ctx.sleep_until(datetime(2026, 1, 1)), "aware datetime"),
        (lambda ctx: ctx.sleep_until("2099-01-01T00:00:00+00:00"), "more than a year away"),
        (lambda ctx: ctx.wait_for("", timeout=HOUR), "exact name of an event"),
        (lambda ctx: ctx.wait_for("x", timeout=-HOUR), "longer than zero"),
        (lambda ctx: ctx.wait_for("x", timeout=HOUR, where=["plan"]), "property conditions"),
        (lambda ctx: ctx.digest(window=timedelta(days=31)), "at most 720 hours"),
        (lambda ctx: ctx.digest(window=HOUR, max_events=501), "1 to 500"),
        (lambda ctx: ctx.throttle(limit=0, window=HOUR), "at least 1"),
        (lambda ctx: ctx.variant("bad key!", ["a"]), "cannot name a variant"),
        (lambda ctx: ctx.history.events(limit=0), "1 to 500"),
        (lambda ctx: ctx.history.count("x", group="company"), "within a time"),
        (lambda ctx: ctx.history.of("bob").email("x"), "needs an address"),
        (lambda ctx: ctx.history.has_event("x", within=timedelta(0)), "longer than zero"),
        (lambda ctx: ctx.wait_for("x", timeout=HOUR, group=["company"]), "names no group"),
        (lambda ctx: ctx.wait_for("x", timeout=HOUR, where=lambda p: True), "property conditions"),
        (lambda ctx: ctx.send_email("x", props=[1]), "are a dict"),
        (lambda ctx: ctx.send_email("x", props={"a": object()}), "cannot be stored as JSON"),
        (lambda ctx: ctx.trigger("x", properties={"a": "\0"}), "holds a NUL"),
        (lambda ctx: ctx.throttle(limit=1, window=timedelta(0)), "longer than zero"),
        (lambda ctx: ctx.digest(window=HOUR, lookback=-HOUR), "longer than zero"),
        (lambda ctx: ctx.once("k", "value"), "needs a function"),
        (lambda ctx: ctx.connector("slack").call("post"), "no connector 'slack'"),
        (lambda ctx: ctx.wait_for("x", timeout=HOUR, group="company"), "in no group of type"),
    ],
)  # fmt: skip
def test_call_that_can_never_work_fails_at_once_and_says_why(
    make_world: MakeWorld, call: Callable[[JourneyContext], Awaitable[Any]], problem: str
) -> None:
    app, _ = asking(lambda user, ctx: call(ctx))
    world = make_world(app)
    world.send("start")

    assert world.pump() == {"failed": 1}
    assert problem in world.state("error_message")[0]


def test_digest_collects_the_events_of_its_window(make_world: MakeWorld) -> None:
    app = App("roundup")
    seen: list[Any] = []

    @app.journey(
        id="roundup", name="r", trigger=on("reply").where(prop("muted").not_exists()),
        entry=Entry.unlimited(),
    )  # fmt: skip
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        batch = await ctx.digest(window=HOUR, max_events=3)
        seen.append(([e.properties["n"] for e in batch.events], batch.count, batch.truncated))
        await ctx.sleep(HOUR)

    world = make_world(app)
    world.send("reply", n=0)
    world.pump()
    for n in range(1, 5):
        world.send("reply", n=n)
    world.send("reply", n=99, muted=True)
    world.sql("UPDATE user_events SET source = 'studio' WHERE properties ->> 'n' = '1'")
    world.pump()

    world.let_time_pass()
    world.pump()
    world.send("reply", n=5)
    world.let_time_pass()
    world.pump()

    assert seen == [([0, 2, 3], 3, True)] * 2
    assert world.states()["completed"] == 1


def replies(**given: Unpack[JourneyFields]) -> tuple[App, list[list[int]]]:
    """A journey that collects replies, once a passage; what each digest held."""
    app, seen = App("replies"), list[list[int]]()

    @app.journey(**fields("replies", {"trigger": on("reply"), **given}))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        batch = await ctx.digest(window=HOUR)
        seen.append([int(str(e.properties["n"])) for e in batch.events])

    return app, seen


def test_digest_holds_nothing_that_the_one_before_it_held(make_world: MakeWorld) -> None:
    app, seen = replies()
    world = make_world(app)
    for n in (1, 2):
        world.send("reply", n=n)
    world.pump()
    world.let_time_pass()
    world.pump()

    world.send("reply", n=3)  # enrolls again, within the lookback of the first two
    world.pump()
    world.let_time_pass()
    world.pump()

    assert seen == [[1, 2], [3]]


def test_digest_of_one_passage_after_another_holds_nothing_twice(make_world: MakeWorld) -> None:
    app, seen = App("rounds"), list[list[object]]()

    @app.journey(id="rounds", name="r", trigger=on("reply"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        rounds = [await ctx.digest(window=HOUR) for _ in range(2)]
        seen.append([[e.properties["n"] for e in batch.events] for batch in rounds])

    world = make_world(app)
    world.send("reply", n=1)
    world.pump()
    world.let_time_pass()
    world.pump()
    world.send("reply", n=2)
    world.let_time_pass()
    world.pump()

    assert seen == [[[1], [2]]]


def test_digest_that_began_late_holds_what_came_since_the_trigger(make_world: MakeWorld) -> None:
    app, seen = replies()
    world = make_world(app)
    for n in (1, 2):
        world.send("reply", n=n)
    world.sql(  # no worker for two hours
        "UPDATE user_events SET occurred_at = occurred_at - interval '2 hours',"
        " received_at = received_at - interval '2 hours'"
    )

    world.pump()
    world.send("reply", n=3)
    world.let_time_pass()
    world.pump()

    assert seen == [[1, 2, 3]]


def test_wait_for_a_group_takes_the_event_of_any_member(make_world: MakeWorld) -> None:
    app = App("company")
    seen: list[Any] = []

    @app.journey(id="company", name="c", trigger=on("start"), entry=Entry.unlimited())
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        answer = await ctx.wait_for("paid", timeout=HOUR, group="company")
        seen.append((user.id, answer.actor_user_id, answer.properties["n"]))

    world = make_world(app)
    for person in ("ada", "bob"):
        world.ingest.ingest(NewEvent(name="start", external_id=person, groups={"company": "acme"}))
    world.pump()

    world.ingest.ingest(
        NewEvent(name="paid", external_id="eve", groups={"company": "other"}, properties={"n": 1})
    )
    assert world.pump() == {}
    world.ingest.ingest(
        NewEvent(name="paid", external_id="bob", groups={"company": "acme"}, properties={"n": 2})
    )

    assert world.pump() == {"completed": 2}
    assert sorted(seen) == [("ada", "bob", 2), ("bob", "bob", 2)]


def test_group_event_during_the_advance_is_not_lost(make_world: MakeWorld) -> None:
    app = App("company")

    @app.journey(id="company", name="c", trigger=on("start"))
    async def run(user: JourneyUser, ctx: JourneyContext) -> None:
        await ctx.send_email("question")
        answer = await ctx.wait_for("paid", timeout=HOUR, group=("company", "acme"))
        await ctx.send_email("thanks" if answer else "late")

    world = make_world(app)

    def pay(_: SendRequest) -> None:
        world.ingest.ingest(NewEvent(name="paid", external_id="bob", groups={"company": "acme"}))

    world.mailer.effects["question"] = pay
    world.send("start")

    world.pump()

    assert world.mailer.delivered == ["question", "thanks"]


class Chat:
    actions = frozenset({"post"})

    def __init__(self) -> None:
        self.calls: list[ConnectorCall] = []

    def call(self, call: ConnectorCall) -> Any:
        self.calls.append(call)
        return {"ts": len(self.calls)}


def test_connector_does_an_action_once_and_answers_the_record(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        return await ctx.connector("chat").call("post", {"text": "hi"})

    app, answers = asking(ask)
    chat = Chat()
    world = make_world(app, connectors={"chat": chat})

    play(world)

    assert answers == [{"ts": 1}] * 2
    assert [(c.action, dict(c.args)) for c in chat.calls] == [("post", {"text": "hi"})]
    assert chat.calls[0].key.endswith(":chat:post:chat:post")


def test_deferred_mail_waits_and_is_sent_when_it_may(make_world: MakeWorld) -> None:
    async def ask(user: JourneyUser, ctx: JourneyContext) -> Any:
        return (await ctx.send_email("news")).status

    app, answers = asking(ask, min_gap=HOUR, exit_on=[on("stop")])
    world = make_world(app)
    opens = datetime.now(UTC) + timedelta(hours=7)

    def closed(_: SendRequest) -> SendResult:
        return SendResult(status="deferred", reason="send_window", retry_at=opens)

    world.mailer.effects["news"] = closed
    world.mailer._done.clear()
    world.send("start")
    assert world.pump() == {"waiting": 1}
    assert world.sql("SELECT kind, due_at FROM waits") == [("quiet_hours", opens)]
    assert answers == []

    del world.mailer.effects["news"]
    world.mailer._done.clear()  # a deferral is no outcome: the real mailer forgets it too
    world.let_time_pass()
    assert world.pump() == {"waiting": 1}

    assert answers == ["sent"]
    assert world.mailer.requests[-1].min_gap == HOUR
    assert world.mailer.requests[-1].journey_id == "asking"
