"""``hogsend journeys plan``: old code put people inside, new code is asked about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hogsend import App, Entry, on
from hogsend.db import Database, Query
from hogsend.journeys import plan
from hogsend.journeys.plan import Outlook, plan_all
from hogsend.kernel.clock import SystemClock
from hogsend.testing import Person
from tests.integration.testing.database_world import DatabaseWorld
from tests.unit.cli.conftest import Cli

Run = Callable[[Any, Any], Awaitable[object]]


async def before(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    await ctx.wait_for("answered", timeout=timedelta(days=2), label="answer")
    await ctx.send_email("getting-started")


async def same_until_the_wait(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    answer = await ctx.wait_for("answered", timeout=timedelta(days=9), label="answer")
    if answer:
        await ctx.sleep(timedelta(days=1))


async def one_mail_more(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    await ctx.send_email("getting-started")
    await ctx.wait_for("answered", timeout=timedelta(days=2), label="answer")


async def one_event_more(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    await ctx.trigger("asked.again")
    await ctx.wait_for("answered", timeout=timedelta(days=2), label="answer")


async def one_question_more(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    if not await ctx.history.has_event("seen"):
        await ctx.wait_for("answered", timeout=timedelta(days=2), label="answer")


async def one_call_more(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    await ctx.connector("chat").call("post")
    await ctx.wait_for("answered", timeout=timedelta(days=2), label="answer")


async def one_mail_less(user: Any, ctx: Any) -> None:
    await ctx.wait_for("answered", timeout=timedelta(days=2), label="answer")


async def checkpoint_first(user: Any, ctx: Any) -> None:
    await ctx.checkpoint("intro")
    await ctx.send_email("welcome")
    await ctx.wait_for("answered", timeout=timedelta(days=2), label="answer")


async def another_label(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    await ctx.wait_for("answered", timeout=timedelta(days=2), label="reply")


async def another_event(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    await ctx.wait_for("replied", timeout=timedelta(days=2), label="answer")


async def no_wait(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")


async def leaves(user: Any, ctx: Any) -> None:
    await ctx.send_email("welcome")
    await ctx.exit("not today")


async def breaks(user: Any, ctx: Any) -> None:
    raise KeyError("plan")


async def never_ends(user: Any, ctx: Any) -> None:
    while True:
        pass


def app_with(run: Run, journey_id: str = "asking") -> App:
    app = App("planned")
    app.journey(
        id=journey_id, name="Asking", trigger=on("asked"), entry=Entry.unlimited(), min_gap=None
    )(run)
    return app


@pytest.fixture
def inside(database: Database) -> Iterator[DatabaseWorld]:
    """Ada waits for an answer."""
    world = DatabaseWorld(app_with(before), database)
    world.tell(Person(user_id="ada", email="ada@example.com"), "asked", {})
    yield world
    world.close()


def outlook(database: Database, app: App) -> Outlook:
    [only] = plan_all(database, app.journeys, clock=SystemClock())
    return only


def test_plan_with_the_same_code_says_that_everybody_continues(
    inside: DatabaseWorld, database: Database
) -> None:
    found = outlook(database, app_with(before))

    assert (found.user_id, found.verdict, found.waits_at) == ("ada", "continues", "answer")
    assert not found.has_new_code


def test_plan_with_other_code_behind_the_wait_says_that_everybody_continues(
    inside: DatabaseWorld, database: Database
) -> None:
    found = outlook(database, app_with(same_until_the_wait))

    assert (found.verdict, found.reason, found.has_new_code) == ("continues", None, True)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (one_mail_more, "it would send 'getting-started' before its wait 'answer'"),
        (one_event_more, "it would trigger 'asked.again' before its wait 'answer'"),
        (
            checkpoint_first,
            "the code comes to 'checkpoint:intro', the journal goes on with 'send:welcome:welcome'",
        ),
        (one_question_more, "it would ask count_events before its wait 'answer'"),
        (one_call_more, "it would call 'post' before its wait 'answer'"),
        (one_mail_less, "it no longer comes past 'send:welcome:welcome'"),
        (another_label, "it would wait at 'reply' instead of 'answer'"),
        (another_event, "the wait 'answer' is for something else now"),
        (no_wait, "it would end (completes) before its wait 'answer'"),
        (leaves, "it would end (exits) before its wait 'answer'"),
        (breaks, "it would fail: KeyError"),
    ],
)
def test_plan_with_code_that_leaves_the_recorded_path_says_how(
    inside: DatabaseWorld, database: Database, run: Run, reason: str
) -> None:
    found = outlook(database, app_with(run))

    assert found.verdict == "drifts"
    assert found.reason is not None
    assert reason in found.reason


def test_plan_with_code_that_never_ends_comes_to_an_end(
    inside: DatabaseWorld, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_LONGEST_SECONDS", 0.3)

    found = outlook(database, app_with(never_ends))

    assert found.verdict == "drifts"
    assert "it would fail: StuckJourney" in str(found.reason)


def test_plan_without_the_journey_says_that_people_are_stranded(
    inside: DatabaseWorld, database: Database
) -> None:
    assert outlook(database, app_with(before, "other")).verdict == "stranded"


def test_plan_of_somebody_who_is_due_now_looks_at_the_recorded_steps_only(
    inside: DatabaseWorld, database: Database
) -> None:
    database.run(
        Query("answer", "UPDATE waits SET outcome = 'timeout', outcome_at = now()"),
    )

    assert outlook(database, app_with(before)).verdict == "continues"
    assert outlook(database, app_with(one_mail_less)).verdict == "drifts"


def test_plan_changes_nothing(inside: DatabaseWorld, database: Database) -> None:
    everything = Query(
        "everything",
        """SELECT (SELECT jsonb_agg(to_jsonb(s)) FROM journey_states s),
                  (SELECT jsonb_agg(to_jsonb(p)) FROM journey_steps p),
                  (SELECT jsonb_agg(to_jsonb(w)) FROM waits w),
                  (SELECT count(*) FROM outbox), (SELECT count(*) FROM email_sends)""",
    )
    before_plan = database.run(everything)

    for run in (one_mail_more, no_wait, breaks):
        outlook(database, app_with(run))

    assert database.run(everything) == before_plan


_CONTENT = """
from datetime import timedelta

from hogsend import App, Entry, on

app = App(__name__)


@app.journey(id="asking", name="Asking", trigger=on("asked"), entry=Entry.unlimited())
async def asking(user, ctx):
    await ctx.send_email("welcome")
    await ctx.wait_for("answered", timeout=timedelta(days=2), label="LABEL")
"""


@pytest.mark.parametrize(("label", "exit_code"), [("answer", 0), ("reply", 1)])
def test_plan_command_names_who_drifts_and_exits_with_one(
    inside: DatabaseWorld, dsn: str, tmp_path: Path, label: str, exit_code: int
) -> None:
    module = f"planned_{label}"
    (tmp_path / f"{module}.py").write_text(_CONTENT.replace("LABEL", label))
    line = Cli(tmp_path)
    line.environ = {
        "DATABASE_URL": dsn,
        "HOGSEND_APP": f"{module}:app",
        "HOGSEND_CONTENT_DIR": str(tmp_path),
    }

    text = line.run("journeys", "plan")
    data = line.run("journeys", "plan", "--json")

    assert text.exit_code == data.exit_code == exit_code, text.output
    assert '"onDrift": "continue"' in data.stdout
    assert ("it would wait at 'reply' instead of 'answer'" in text.stdout) is bool(exit_code)


def test_plan_command_with_nobody_inside_says_so(dsn: str, tmp_path: Path) -> None:
    line = Cli(tmp_path)
    line.environ = {"DATABASE_URL": dsn}

    result = line.run("journeys", "plan")

    assert (result.exit_code, result.stdout) == (0, "nobody is inside a journey\n")
