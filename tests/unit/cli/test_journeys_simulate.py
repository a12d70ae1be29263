"""``hogsend journeys simulate`` on the built-in example and on an app with a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli

_BROKEN = """
from hogsend import App, Entry, on

app = App(__name__)


@app.journey(id="broken", name="Broken", trigger=on("go"), entry=Entry.once())
async def broken(user, ctx):
    await ctx.send_email("no-such-template")
"""


def test_simulate_prints_a_timeline_in_the_persons_zone(line: Cli) -> None:
    result = line.run(
        *("journeys", "simulate", "welcome", "--start", "2026-06-01T09:00"),
        *("--timezone", "Europe/Berlin"),
        *("--event", "user.signed_up", "--event", "+3h project.created"),
    )

    assert result.exit_code == 0, result.output
    assert "2026-06-01 Mon 11:00  [welcome] mail sent welcome" in result.stdout
    assert "2026-06-01 Mon 14:00  [welcome] completed" in result.stdout


def test_simulate_as_json_counts_journeys_and_mails(line: Cli) -> None:
    answer = line.run_json(
        *("journeys", "simulate", "welcome", "--start", "2026-06-01", "--event", "user.signed_up")
    )

    assert answer["endedAt"] == "2026-06-03T00:00:00+00:00"
    assert answer["journeys"] == [{"journeyId": "welcome", "outcome": "completed", "count": 1}]
    assert {(m["template"], m["status"], m["count"]) for m in answer["mails"]} >= {
        ("welcome", "sent", 1)
    }
    assert answer["timeline"][0]["what"] == "event"


def test_simulate_reads_many_people_from_a_file(line: Cli, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "user_id,at,event,email\n"
        "a,2026-01-01,user.signed_up,a@x.co\n"
        "b,2026-01-02,user.signed_up,b@x.co\n"
        "b,2026-01-03,user.deleted,\n"
        "b,2026-01-04,user.signed_up,\n"
    )

    answer = line.run_json("journeys", "simulate", "welcome", "--csv", str(file))

    outcomes = {(j["outcome"], j["count"]) for j in answer["journeys"]}
    assert outcomes == {("already_entered_once", 1), ("completed", 1), ("exited", 1)}


def test_simulate_with_a_failing_journey_says_why_and_exits_with_one(
    line: Cli, tmp_path: Path
) -> None:
    (tmp_path / "broken_app.py").write_text(_BROKEN)
    line.environ = {"HOGSEND_APP": "broken_app:app", "HOGSEND_CONTENT_DIR": str(tmp_path)}

    result = line.run("journeys", "simulate", "--event", "go")

    assert result.exit_code == 1
    assert "no-such-template" in result.stdout


_DOUBTFUL = """
import asyncio, helpers
from hogsend import App, Entry, on

app = App(__name__)


@app.journey(id="doubtful", name="Doubtful", trigger=on("go"), entry=Entry.once())
async def doubtful(user, ctx):
    helpers.greet(ctx)
    await ctx.send_email("welcome", props={"at": helpers.stamp()})
"""
_HELPERS = """
import time

def stamp():
    return time.time()

async def greet(ctx):
    await ctx.send_email("welcome")
"""


def test_simulate_warns_of_what_a_replay_could_not_repeat(line: Cli, tmp_path: Path) -> None:
    (tmp_path / "doubtful_app.py").write_text(_DOUBTFUL)
    (tmp_path / "helpers.py").write_text(_HELPERS)
    line.environ = {"HOGSEND_APP": "doubtful_app:app", "HOGSEND_CONTENT_DIR": str(tmp_path)}

    result = line.run("journeys", "simulate", "--event", "go")

    assert result.exit_code == 0, result.output
    assert f"warning: {tmp_path}/helpers.py:5: calls time.time()" in result.stderr
    assert f"warning: {tmp_path}/doubtful_app.py:10: coroutine 'greet'" in result.stderr


def test_simulate_of_an_event_with_a_typing_mistake_asks_what_was_meant(line: Cli) -> None:
    result = line.run("journeys", "simulate", "--event", "user.singed_up")

    assert result.exit_code == 0
    assert "no journey begins or ends with 'user.singed_up' (did you mean 'user.signed_up'?)" in (
        result.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what happens"),
        (("nowhere", "--event", "go"), "no journey 'nowhere'"),
        (("--event", "go", "--start", "noon"), "--start"),
        (("--event", "go", "--for", "ever"), "not a duration"),
        (("--event", "+2d"), "names no event"),
        (("--event", "go", "--timezone", "Europe/Berln"), "did you mean 'Europe/Berlin'"),
    ],
)
def test_simulate_with_a_mistake_is_an_error(
    line: Cli, arguments: tuple[str, ...], message: str
) -> None:
    result = line.run("journeys", "simulate", *arguments)

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
